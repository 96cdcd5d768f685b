"""JSON of others: a value, or ValueError."""

from pathlib import Path

import pytest

from emo8.core.emoset import read_json
from emo8.core.errors import SourceError
from emo8.core.json_text import parse_json
from emo8.engine import build_folder

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize("text", [DEEP, '{"a":' * 100_000, "{", b"\xff\xfe\xff", ""])
def test_parse_json__whatever_is_wrong_is_a_value_error(text: str | bytes) -> None:
    assert parse_json('{"a": [1]}') == {"a": [1]}
    with pytest.raises(ValueError):
        parse_json(text)


def test_parse_json__deep_files_are_named_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "resolved.json"
    path.write_text(DEEP)
    assert build_folder.read_json(path) is None and not build_folder.is_build(tmp_path)
    with pytest.raises(
        SourceError, match=r"resolved\.json is not JSON: its JSON is nested too deep"
    ):
        read_json(path)
