"""The speed page: from results to lines, figures and text; running scripts is left to --quick."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import benchmarks.lab.speed
from benchmarks.lab.speed import __main__ as command
from benchmarks.lab.speed import growth, page
from benchmarks.lab.speed.lines import READERS, Line
from benchmarks.lab.speed.plan import BUILD, BY_NAME, PICTURES, VIEWS
from emo8.core.errors import Emo8Error

MEMORY: dict[str, Any] = {
    "sizes": [
        {"rows": 100, "seconds": 10.0, "main_mb": 100.0, "worker_mb": 300.0},
        {"rows": 1000, "seconds": 100.0, "main_mb": 101.0, "worker_mb": 301.0},
    ],
    "worker_grows_mb": 1.0,
    "main_kb_per_row": 1.138,
    "time_exponent": 1.0,
    "machine": {"cpu": "Abacus", "cores": 2, "load_1min": 0.5, "python": "3.12.1"},
}
DUPLICATES = {
    "exact": {
        "random": {
            "runs": [
                {"rows": 1000, "seconds": 0.01, "pairs": 1},
                {"rows": 1_000_000, "seconds": 4.0, "pairs": 9},
            ],
            "exponent": 0.87,
        }
    },
    "wide": {"runs": [{"rows": 10, "seconds": 0.1, "recall": 0.99},
                      {"rows": 100, "seconds": 2.0, "recall": 0.96}], "exponent": 1.3},
    "peers": [{"peer": "ours", "rows": 10, "seconds": 0.1, "pairs": 1},
              {"peer": "ImageHash loop", "rows": 10, "seconds": 3.0, "pairs": 1}],
}  # fmt: skip


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with the numbers of two scripts."""
    (tmp_path / "memory.json").write_text(json.dumps(MEMORY))
    (tmp_path / "duplicates.json").write_text(json.dumps(DUPLICATES))
    return tmp_path


def test_plan__names_every_script_there_is() -> None:
    folder = Path(benchmarks.lab.speed.__file__).parent
    modules = [path for path in folder.glob("*.py") if path.stem != "__main__"]
    scripts = {path.stem for path in modules if "def main(" in path.read_text("utf-8")}
    assert scripts == set(BY_NAME) == set(READERS)


def test_page__says_what_was_met_missed_and_not_measured(results: Path) -> None:
    assert command.main(["--page-only", "--into", str(results)]) == 0
    text = (results / "README.md").read_text()
    told = [line for line in text.splitlines() if line.startswith("| ")]
    assert (
        "| main process grows, 100 to 1,000 rows | 1.14 KB a row |  | at most 1 | **no** |" in told
    )
    assert "| worker's peak grows, 100 to 1,000 rows | 1 MB |  | at most 50 | yes |" in told
    assert "| exact search, 1,000,000 random hashes | 4 s |  | at most 5 | yes |" in told
    assert "| wide search, 100 rows | 0.96 of planted copies |  | at least 0.97 | **no** |" in told
    assert "| exact search, 10 hashes | 30 x | ImageHash loop |  |  |" in told
    assert "## Targets: 4 of 6 met" in text
    assert "Machine: Abacus, 2 cores; python 3.12.1; load 0.5 at the end." in text
    assert "Machine: not recorded." in text
    assert "python -m benchmarks.speed memory --pictures 'corpus/images-*.parquet'" in text
    missing = text.split("## Not measured yet")[1]
    assert "benchmarks.speed fetch" in missing and "benchmarks.speed memory" not in missing


def test_page__is_the_same_again_with_its_figures(results: Path) -> None:
    page.write(results)
    first = {path.name: path.read_bytes() for path in results.iterdir()}
    assert {"memory.svg", "duplicates.svg"} <= set(first)
    assert b"rows^1.00" in first["memory.svg"] or b"<use" in first["memory.svg"]
    page.write(results)
    assert {path.name: path.read_bytes() for path in results.iterdir()} == first


def test_growth__finds_the_exponent_that_was_put_in() -> None:
    rows = [10.0, 100.0, 1000.0]
    curve = growth.Curve(name="a", rows=rows, values=[3 * r**1.5 for r in rows])
    assert curve.fit() == pytest.approx((1.5, 3.0))
    assert growth.curves("fetch", {}) == {}


def test_line__is_met_at_its_bound() -> None:
    assert Line(what="", value=2.0, unit="x", least=2.0).met
    assert not Line(what="", value=1.9, unit="x", least=2.0).met
    assert Line(what="", value=1.0, unit="s", most=1.0).met
    assert Line(what="", value=1.0, unit="s").met is None


def test_page__of_a_result_of_another_shape_is_named(results: Path) -> None:
    (results / "memory.json").write_text('{"sizes": []}')
    with pytest.raises(Emo8Error, match=r"memory\.json"):
        page.write(results)
    (results / "memory.json").write_text("[1,")
    with pytest.raises(Emo8Error, match="no JSON"):
        page.write(results)


def test_page__committed_is_what_the_numbers_give(tmp_path: Path) -> None:
    for path in command.HOME.glob("*.json"):
        shutil.copy(path, tmp_path)
    told = page.write(tmp_path).read_text()
    assert told == (command.HOME / "README.md").read_text(), (
        "run python -m benchmarks.speed --page-only"
    )


def test_unmet__names_the_option() -> None:
    assert "--pictures GLOB" in command.unmet(BY_NAME["rebuild"], {})
    assert "--views FILE" in command.unmet(BY_NAME["pretrain_gpu"], {})
    assert command.unmet(BY_NAME["rebuild"], {PICTURES: "a"}) == ""
    assert VIEWS in BY_NAME["pretrain_gpu"].needs()
    assert "--build DIR" in command.unmet(BY_NAME["browse"], {PICTURES: "a"})
    assert command.unmet(BY_NAME["browse"], {PICTURES: "a"}, quick=True) == ""
    assert BUILD not in BY_NAME["browse"].needs(quick=True)


def test_run__failing_script_leaves_the_old_numbers(
    results: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (results / "memory.json").read_bytes()
    given = ["--only", "memory", "--pictures", str(results / "none*.jpg"), "--into", str(results)]
    assert command.main(given) == 1
    assert "failed: memory" in capfd.readouterr().out
    assert (results / "memory.json").read_bytes() == before


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_quick__runs_every_script_that_needs_no_gpu(tmp_path: Path) -> None:
    assert command.main(["--quick", "--into", str(tmp_path)]) == 0
    made = {path.stem for path in tmp_path.glob("*.json")}
    assert made >= set(BY_NAME) - {"pretrain_gpu"}
