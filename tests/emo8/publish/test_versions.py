import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emo8.cli import main
from emo8.core.licenses import hub_id, may_redistribute
from emo8.publish.versions import compare, describe, next_version, open_state, read_state

Row = dict[str, Any]
Rewrite = Callable[[Path, Callable[[list[Row]], None]], None]
SHARD = "data/natural/train-00000.parquet"


def test_compare__same_data_is_no_change(small: Path, released: Path) -> None:
    changes = compare(open_state(str(small / "BUILD")), open_state(str(released)))
    assert changes.level == "" and changes.counts() == {}


def test_compare__rows_and_labels_are_minor(
    released: Path, spoiled: Path, rewrite: Rewrite
) -> None:
    gone: list[str] = []

    def edit(rows: list[Row]) -> None:
        gone.append(rows.pop()["id"])
        rows[0]["emotion"] = (rows[0]["emotion"] + 1) % 8
        rows[1]["id"] = "f" * 64

    old = read_state(released)
    rewrite(spoiled / SHARD, edit)
    changes = compare(old, read_state(spoiled))
    assert changes.level == "minor"
    assert changes.added == ("f" * 64,)
    assert gone[0] in changes.removed and len(changes.removed) == 2
    assert len(changes.changed["emotion"]) == 1
    assert describe(changes.counts()) == [
        "1 rows added",
        "2 rows removed",
        "1 rows with another emotion",
    ]


def test_compare__a_row_in_another_split_is_major(released: Path, spoiled: Path) -> None:
    (spoiled / SHARD).rename(spoiled / SHARD.replace("train-00000", "test-00001"))
    changes = compare(read_state(released), read_state(spoiled))
    assert changes.level == "major" and changes.resplit


def test_compare__columns_gone_or_new(released: Path) -> None:
    import dataclasses

    state = read_state(released)
    fewer = dataclasses.replace(
        state, columns={k: v for k, v in state.columns.items() if k != "caption"}
    )
    assert compare(state, fewer).level == "major"
    assert compare(fewer, state).level == "minor"
    retyped = dataclasses.replace(state, columns={**state.columns, "caption": "binary"})
    assert compare(state, retyped).columns_retyped == ("caption",)


@pytest.mark.parametrize(
    ("level", "expected"),
    [("major", "2.0.0"), ("minor", "1.3.0"), ("patch", "1.2.4"), ("", "1.2.4")],
)
def test_next_version__follows_semantic_versioning(level: str, expected: str) -> None:
    assert next_version("1.2.3", level) == expected


def test_diff__json_lists_ids_and_text_counts_them(
    released: Path, spoiled: Path, rewrite: Rewrite, capsys: pytest.CaptureFixture[str]
) -> None:
    gone: list[str] = []
    rewrite(spoiled / SHARD, lambda rows: gone.append(rows.pop()["id"]))
    assert main(["publish", str(released), str(spoiled), "--json", "--diff"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["removed"] == gone and found["level"] == "minor"
    assert main(["publish", str(released), str(spoiled), "--diff"]) == 0
    assert "1 rows removed" in capsys.readouterr().out


def test_diff__of_nothing_is_the_users_mistake(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", str(released), str(tmp_path), "--diff"]) == 2
    assert main(["publish", str(released), "nowhere", "--diff"]) == 2
    assert "no folder here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("CC-BY-4.0", "cc-by-4.0"), ("cc0 1.0", "cc0-1.0"), ("GPL-2+", "gpl-2.0"), ("MIT", "mit"),
        ("CC-BY-SA-3.0+", "cc-by-sa-3.0"), ("GPL-3.0-only", "gpl-3.0"), ("public-domain", "other"),
        ("unknown", "other"), ("Unsplash", "other"),
    ],
)  # fmt: skip
def test_hub_id__knows_the_hubs_identifiers(written: str, expected: str) -> None:
    assert hub_id(written) == expected


@pytest.mark.parametrize(
    ("license", "expected"),
    [("MIT", True), (None, True), ("All rights reserved", False), ("In Copyright", False),
     ("© 2020 someone, no redistribution", False), ("CC-BY-NC-ND-4.0", True)],
)  # fmt: skip
def test_may_redistribute__reads_the_wording(license: str | None, expected: bool) -> None:
    assert may_redistribute(license) is expected
