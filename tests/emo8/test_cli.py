import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emo8 import cli
from emo8.cli import main
from tests.conftest import encoded, picture, write_recipe


def test_help__is_instant_and_imports_nothing_heavy() -> None:
    script = (
        "import sys; from emo8.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pyarrow', 'pandas', 'datasets', 'open_clip', 'pydantic'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    reply = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert reply.returncode == 0, reply.stderr
    assert "demo" in reply.stdout and "build" in reply.stdout


def test_build__a_users_mistake_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('[[source]]\nkind = "folder"\npath = "p"\nstile = "natural"\n')
    assert main(["build", str(recipe), "-o", str(tmp_path / "B")]) == 2
    error = capsys.readouterr().err
    assert "stile" in error and "'style'" in error and "Traceback" not in error


def test_build__that_keeps_no_picture_says_so_and_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "tiny.png").write_bytes(encoded(picture(1, (20, 20)), "PNG"))
    recipe = write_recipe(
        tmp_path, '[[source]]\nkind = "folder"\npath = "pictures"\nstyle = "natural"'
    )
    for _ in range(2):  # the second run finds nothing to do
        assert main(["build", str(recipe), "-o", str(tmp_path / "B")]) == 1
        said = capsys.readouterr()
        assert "no picture is kept" in said.err and "load_dataset" not in said.out


def test_build__model_that_is_not_here_offline_names_the_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make_inputs
) -> None:  # type: ignore[no-untyped-def]
    recipe = make_inputs(tmp_path)
    recipe.write_text(recipe.read_text().replace("embedded", "ViT-B-16/openai"))
    assert main(["build", str(recipe), "-o", str(tmp_path / "B")]) == 2
    error = capsys.readouterr().err
    assert "ViT-B-16/openai" in error and "embedded" in error


def test_status__json_has_funnel_and_steps(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(small / "BUILD"), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["complete"] is True
    assert content["funnel"]["inputs"] == 37
    for numbers in content["steps"].values():
        assert numbers["parts_done"] == numbers["parts_total"] > 1
        assert numbers["parts_stale"] == numbers["parts_failed"] == 0


def test_status__of_no_build_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(tmp_path)]) == 2
    assert "emo8 build" in capsys.readouterr().err


TALKATIVE = """
import sys
from emo8 import cli
cli.COMMANDS["status"].run = lambda arguments: [print("x" * 100) for _ in range(100_000)] and 0
sys.exit(cli.main(["status", "BUILD"]))
"""


def test_command__whose_reader_stops_reading_ends_quietly() -> None:
    command = [sys.executable, "-c", TALKATIVE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline().startswith(b"xx")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


def test_command__takes_arrow_memory_from_the_system_which_gets_it_back() -> None:
    program = (
        "from emo8.cli import main; code = main(['status', 'missing']); "
        "import pyarrow as pa; print(code, pa.default_memory_pool().backend_name)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "ARROW_DEFAULT_MEMORY_POOL"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.stdout.split() == ["2", "system"], done.stderr


@pytest.mark.parametrize("name", sorted(cli.RENAMED))
def test_renamed_command__answers_with_its_new_name(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([name, "anything"]) == 2
    assert f"`emo8 {name}` is now: {cli.RENAMED[name]}" in capsys.readouterr().err
    assert name not in cli.COMMANDS


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("review B --undo 1a2b --dry-run", "--dry-run is not read by emo8 review --undo"),
        ("review B --assign ann --pick errors", "--pick is not read by emo8 review --assign"),
        ("review B --limit 3", "it goes with --export, --assign"),
        ("review B --export --claims", "--claims is for tasks of other tools"),
        ("review B --export --format cvat --yes-no", "--yes-no is for a sheet"),
        ("review B --export --annotator ann --pick errors", "leave --pick out"),
        ("review B --import --scale 1-9", "--scale is about a vote file"),
        ("status B --left --check", "--check is not read by emo8 status --left: use one"),
        ("status B --top 3", "--top is not read by emo8 status alone"),
        ("report B -o sheets", "--out is not read by emo8 report alone; it goes with --dupl"),
        ("decide B --sheet a.png", "--sheet is not read by emo8 decide alone"),
        ("publish A B --diff --dry-run", "--dry-run is not read by emo8 publish --diff"),
        ("publish A --audit --to DIR", "--to is not read by emo8 publish --audit"),
        ("remove ID --prove OTHER --from B", "KEY is not read by emo8 remove --prove"),
        ("remove ID --reason asked --in DIR", "--in is not read by emo8 remove alone"),
        ("search openverse -o a.csv --language de", "--language is not read by openverse"),
        ("verify D --prove ID --root R", "--root is not read by emo8 verify --prove"),
    ],
)
def test_option__that_the_deed_does_not_read_is_refused(
    small: Path, line: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(small / "BUILD") if word == "B" else word for word in line.split()]
    assert main(words) == 2
    assert says.replace("KEY", "ID|URL|HASH|PATH") in capsys.readouterr().err


def test_option__a_deed_that_needs_no_key_is_not_refused_for_it(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["remove", "--prove", "0" * 64, "--from", str(small / "BUILD")]) == 0
    assert "0 still hold it" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line", ["review B --export --limit -1", "status B --left --top -1", "decide B --examples 1.5"]
)
def test_option__that_counts_is_no_negative_number(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(line.split())
    assert "use a whole number, 0 or more" in capsys.readouterr().err
