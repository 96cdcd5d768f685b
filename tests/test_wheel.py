import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_wheel__commands_answer_help_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path, with_pip=True)
    pip = [
        str(tmp_path / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    for command in ("emo8", "uniemox", "emo8-bench"):
        reply = subprocess.run(
            [str(tmp_path / "bin" / command), "--help"], capture_output=True, text=True
        )
        assert reply.returncode == 0, reply.stderr
        assert "usage" in reply.stdout


def test_wheel__holds_the_sample_the_clip_the_cards_and_the_licences(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for needed in (
        "emo8/py.typed",
        "emo8/labels/clip/prompts.toml",
        "emo8/demo/sample/recipe.toml",
        "emo8/demo/sample/clip/open_clip_config.json",
        "cards/dataset.md",
        "cards/demo_report.html",
    ):
        assert needed in names
    assert any(name.endswith("licenses/NOTICE") for name in names)
    assert any(name.startswith("emo8/demo/sample/pictures/") for name in names)


def test_wheel__leaves_the_laboratory_and_its_numbers_out(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    own = [name for name in names if name.startswith("benchmarks/")]
    assert "benchmarks/results/published.toml" in own
    assert "benchmarks/adapters/registry.py" in own
    suffixes = {Path(name).suffix for name in own}
    assert suffixes <= {".py", ".toml", ".typed"}
    assert not [name for name in own if name.startswith(("benchmarks/lab", "benchmarks/speed"))]
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]
