"""The notebook: well-formed and without outputs; its cells run in order (slow)."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
BOOK = json.loads((ROOT / "docs" / "quick_look.ipynb").read_text("utf-8"))
CODE = ["".join(cell["source"]) for cell in BOOK["cells"] if cell["cell_type"] == "code"]


def test_notebook__holds_code_that_parses_and_no_outputs() -> None:
    assert BOOK["nbformat"] == 4 and len(CODE) >= 6
    assert all(not cell["outputs"] for cell in BOOK["cells"] if cell["cell_type"] == "code")
    for source in CODE:
        ast.parse(source)


def test_notebook__links_lead_somewhere() -> None:
    text = "".join("".join(cell["source"]) for cell in BOOK["cells"])
    targets = re.findall(r"\]\(([^)#:]+)\)", text)
    assert len(targets) >= 4
    assert all((ROOT / "docs" / target).exists() for target in targets)


@pytest.mark.slow
def test_notebook__runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    matplotlib.use("Agg")
    (tmp_path / "emo8").symlink_to(ROOT / "emo8")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "examples").symlink_to(ROOT / "docs" / "examples")
    monkeypatch.chdir(tmp_path / "docs")
    names: dict[str, Any] = {}
    for number, source in enumerate(CODE):
        exec(compile(source, f"cell {number}", "exec"), names)  # as a notebook does
    assert names["made"].funnel["kept"] == len(names["rows"]) == 386
    assert len(names["pictures"]) == 386 and names["nearest"].shape == (4, 4)
    assert len(names["surest"]) >= 8
