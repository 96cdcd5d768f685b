"""Publishing to a folder, and reading that folder with other people's tools."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from emo8.cli import main
from emo8.core.errors import BuildError, GateError
from emo8.dataset.shards import read_rows
from emo8.publish.release import verify_folder
from emo8.publish.send import to_folder
from tests.emo8.pipeline.test_run import tree_hash

ROOT = Path(__file__).resolve().parents[3]
Row = dict[str, Any]


def edit_recipe_and_build(folder: Path, extra: str) -> None:
    from emo8.pipeline.run import build

    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text() + extra)
    build(recipe, folder / "BUILD", workers=1)


@pytest.fixture
def own(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "own"))


def test_to_folder__has_the_promised_files_and_copies_the_shards(
    small: Path, released: Path
) -> None:
    names = {path.relative_to(released).as_posix() for path in released.rglob("*.*")}
    assert {"README.md", "croissant.json", "release.json", "CHANGELOG.md"} <= names
    assert "data/natural/train-00000.parquet" in names and "labels/train-00000.parquet" in names
    assert not any(part.startswith(".") for name in names for part in name.split("/"))
    shard = Path("data/natural/train-00000.parquet")
    assert not (released / shard).samefile(small / "BUILD" / "dataset" / shard)
    assert (released / shard).read_bytes() == (small / "BUILD" / "dataset" / shard).read_bytes()


def test_to_folder__again_is_the_same_and_says_so(
    small: Path, released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree_hash(released)
    assert main(["publish", str(small / "BUILD"), "--to", str(released)]) == 0
    assert "up to date" in capsys.readouterr().out
    to_folder(small / "BUILD", tmp_path / "second")
    assert tree_hash(released) == before == tree_hash(tmp_path / "second")


def test_release__hashes_are_those_of_the_files(released: Path) -> None:
    notes = json.loads((released / "release.json").read_text())
    found = tree_hash(released)
    found.pop("release.json")
    assert {name: entry["sha256"] for name, entry in notes["files"].items()} == found


def test_shards__row_groups_page_index_and_hashes(released: Path) -> None:
    for path in released.glob("data/*/*.parquet"):
        footer = pq.read_metadata(path)
        assert footer.row_group(0).column(0).has_column_index
        assert max(footer.row_group(g).num_rows for g in range(footer.num_row_groups)) <= 200
        for row in pq.read_table(path).to_pylist():
            assert hashlib.sha256(row["image"]["bytes"]).hexdigest() == row["published_sha256"]


def test_default_config__interleaves_the_styles(released: Path) -> None:
    from emo8.publish.cardyaml import read_front_matter

    card = read_front_matter((released / "README.md").read_text())
    default = next(config for config in card["configs"] if config.get("default"))
    train = next(item for item in default["data_files"] if item["split"] == "train")
    assert train["path"] == ["data/*/train-00000.parquet"]  # one pattern per group: all styles


def test_labels_config__same_rows_without_pictures(released: Path) -> None:
    bare = pq.read_table(released / "labels")
    assert "image" not in bare.column_names
    assert sorted(bare["id"].to_pylist()) == sorted(read_rows(released, ["id"])["id"].to_pylist())


def test_image_policy__withheld_pictures_go_out_as_address_and_hash(
    own: Path, tmp_path: Path
) -> None:
    edit_recipe_and_build(own, '[publish.image_policy]\n"CC0-1.0" = "url"\n')
    with pytest.raises(GateError, match="no_address"):  # these rows have no address
        to_folder(own / "BUILD", tmp_path / "DIR")
    assert not (tmp_path / "DIR").exists()


@pytest.mark.parametrize(
    ("name", "blocker"),
    [
        ("CC0", "no_address"),  # another spelling of CC0-1.0: withheld as well
        ("CC-BY-ND-4.0", r"policy: .*CC-BY-ND-4\.0; rows have CC0-1\.0"),
    ],
)
def test_image_policy__other_spellings_count_and_licences_of_no_row_block(
    own: Path, tmp_path: Path, name: str, blocker: str
) -> None:
    edit_recipe_and_build(own, f'[publish.image_policy]\n"{name}" = "url"\n')
    with pytest.raises(GateError, match=blocker):
        to_folder(own / "BUILD", tmp_path / "DIR")
    assert not (tmp_path / "DIR").exists()


def test_image_policy__only_the_licences_named_are_withheld(own: Path, tmp_path: Path) -> None:
    from emo8.pipeline.run import build

    recipe = own / "recipe.toml"
    text = recipe.read_text().replace('kind = "table"', 'kind = "table"\nattribution = "somebody"')
    table = pq.read_table(own / "more.parquet").to_pylist()
    for number, row in enumerate(table):
        row["url"] = f"https://example.org/{number}.png"
        row["license"] = "All rights reserved" if number % 2 else "MIT"
    import pyarrow as pa

    pq.write_table(pa.Table.from_pylist(table), own / "more.parquet")
    recipe.write_text(text)
    build(recipe, own / "BUILD", workers=1)
    to_folder(own / "BUILD", tmp_path / "DIR")
    rows = [
        row
        for path in (tmp_path / "DIR").glob("data/*/*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    withheld = [row for row in rows if row["license"] == "All rights reserved"]
    assert len(withheld) == 6
    for row in withheld:
        assert row["image"] is None and row["published_sha256"] is None
        assert row["source_url"] and len(row["id"]) == len(row["pixel_sha256"]) == 64
    assert all(row["image"]["bytes"] for row in rows if row not in withheld)
    assert (
        "6 rows are published without the picture" in (tmp_path / "DIR" / "README.md").read_text()
    )
    kept = own / "BUILD" / "dataset" / "data" / "natural"
    assert all(row["image"] for path in kept.glob("*") for row in pq.read_table(path).to_pylist())


def test_to_folder__new_version_says_what_changed(own: Path, tmp_path: Path) -> None:
    to_folder(own / "BUILD", tmp_path / "DIR")
    edit_recipe_and_build(own, "[decide.style.cartoon]\nmin_side_px = 121\n")
    outcome = to_folder(own / "BUILD", tmp_path / "DIR")
    assert outcome.release.version == "1.1.0"
    assert outcome.release.changes == ["4 rows removed"]
    card = (tmp_path / "DIR" / "README.md").read_text()
    assert "Version 1.1.0" in card and "first release" in card
    assert not (tmp_path / "DIR" / "data" / "cartoon").exists()
    assert verify_folder(tmp_path / "DIR") == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: (d / "labels/train-00000.parquet").write_bytes(b"x"), "another hash"),
        (lambda d: (d / "data/natural/train-00000.parquet").unlink(), "is missing"),
        (lambda d: (d / "notes.txt").write_text("x"), "not in release.json"),
        (lambda d: (d / "croissant.json").write_text("{}"), "croissant.json: "),
    ],
)
def test_verify_folder__names_what_is_wrong(
    spoiled: Path, spoil: Callable[[Path], object], words: str
) -> None:
    assert verify_folder(spoiled) == []
    spoil(spoiled)
    assert any(words in problem for problem in verify_folder(spoiled))


def test_to_folder__foreign_folder_is_refused(small: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(BuildError, match="no release of ours"):
        to_folder(small / "BUILD", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_publish__unfinished_or_tampered_builds_are_refused(own: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no build at"):
        to_folder(tmp_path / "none", tmp_path / "DIR")
    shard = next((own / "BUILD" / "dataset" / "data").glob("*/*.parquet"))
    shard.unlink()
    with pytest.raises(BuildError, match="not what the build wrote"):
        to_folder(own / "BUILD", tmp_path / "DIR")


def test_publish__blocked_by_the_gate_exits_2_and_leaves_what_was_there(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to_folder(own / "BUILD", tmp_path / "DIR")
    before = tree_hash(tmp_path / "DIR")
    recipe = own / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('license = "CC0-1.0"\n', ""))
    edit_recipe_and_build(own, "")
    command = ["publish", str(own / "BUILD"), "--to", str(tmp_path / "DIR")]
    assert main([*command, "--dry-run"]) == 2
    assert "BLOCKED: " in capsys.readouterr().out
    assert main(command) == 2
    assert "missing_license" in capsys.readouterr().err
    assert tree_hash(tmp_path / "DIR") == before
    assert main([*command, "--allow-missing-license"]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "one target"),
        (["user/name", "--to", "DIR"], "one target"),
        (["--to", "DIR", "--tag", "x"], "--tag"),
        (["name"], "no user/name"),
    ],
)
def test_publish__wrong_targets_are_explained(
    small: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", str(small / "BUILD"), *arguments]) == 2
    assert words in capsys.readouterr().err


def recipes_for_readers() -> list[str]:
    """The Python blocks under "Reading it" in docs/publishing.md."""
    text = (ROOT / "docs" / "publishing.md").read_text().split("## Reading it")[1]
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.slow
def test_docs__recipes_for_readers_run_without_our_code(released: Path, tmp_path: Path) -> None:
    blocks = recipes_for_readers()
    assert len(blocks) == 11
    script = [f"DIR = {str(released)!r}"]
    for number, block in enumerate(blocks):
        script += [f"def recipe_{number}():", *(f"    {line}" for line in block.splitlines())]
        script += ["    return dict(locals())", f"found_{number} = recipe_{number}()"]
    script += [
        "assert len({*found_0['first'], *found_0['rest']}) == len(found_4['labels'])",
        "assert found_3['name'] in found_3['cartoons'].features['emotion'].names",
        "assert found_4['counts'].sum() == len(found_4['labels']) > 0",
        "assert 0 < len(found_5['trusted']) < len(found_5['rows'])",
        "assert found_6['batch']['pixels'].shape == (4, 3, 96, 96)",
        "assert len(found_7['frame']) == found_8['table'].num_rows > 20",
        "assert all(len(row) == 3 for row in found_9['sure'])",
        "import pyarrow.parquet as pq; labels = pq.read_table(DIR + '/labels').to_pylist()",
        "assert found_10['people'] == sum(len(row['people'] or []) for row in labels) > 0",
        "rules = [row['emotion_rule'] for row in labels]",
        "trusted = rules.count('human') + rules.count('source')",
        "assert found_10['trusted'].total() == trusted > 0",
        "assert set(found_10['trusted']) <= set(found_3['cartoons'].features['emotion'].names)",
        "import sys; assert 'emo8' not in sys.modules",
    ]
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_DATASETS_CACHE": str(tmp_path)}
    reply = subprocess.run(
        [sys.executable, "-I", "-c", "\n".join(script)],
        env=environment, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert reply.returncode == 0, reply.stderr[-3000:]


def test_croissant__has_every_column_and_reads_boxes_and_copies(released: Path) -> None:
    import mlcroissant

    from emo8.core import schema

    content = json.loads((released / "croissant.json").read_text())
    shown = [one for one in content["recordSet"] if "data" not in one]
    for record_set in shown:
        named = {field["name"] for field in record_set["field"]}
        assert named == set(schema.published_schema(images=record_set["name"] != "labels").names)
    dataset = mlcroissant.Dataset(str(released / "croissant.json"))
    wanted = {row["id"]: row for row in pq.read_table(released / "labels").to_pylist()}
    boxes = copies = 0
    for record in dataset.records("labels"):
        row = wanted.pop(record["labels/id"].decode())
        for box, found in zip(row["people"] or [], record["labels/people"], strict=False):
            boxes += 1
            assert found == {f"labels/people/{key}": value for key, value in box.items()}
        for copy, found in zip(row["also_from"], record["labels/also_from"], strict=True):
            copies += 1
            assert found["labels/also_from/source"].decode() == copy["source"]
            assert found["labels/also_from/source_url"] is copy["source_url"] is None
    assert not wanted and boxes >= 12 and copies >= 1


def test_croissant__says_which_number_is_which_class(released: Path) -> None:
    """Numbers of classes reach readers of Croissant without the names that the shards have."""
    import datasets
    import mlcroissant

    features = datasets.load_dataset_builder(str(released), "labels").info.features
    dataset = mlcroissant.Dataset(str(released / "croissant.json"))
    content = json.loads((released / "croissant.json").read_text())
    fields = {field["@id"]: field for one in content["recordSet"] for field in one["field"]}
    for column in ("emotion", "style"):
        numbered = dict(enumerate(features[column].names))
        key = f"{column}_names"
        records = dataset.records(key)
        assert {one[f"{key}/number"]: one[f"{key}/name"] for one in records} == numbered
        for shown in ("default", "labels"):
            described = fields[f"{shown}/{column}"]["description"]
            assert described.endswith(", ".join(f"{k} = {name}" for k, name in numbered.items()))


def test_readers__duckdb_and_pandas_see_the_same_rows(
    released: Path,
) -> None:
    import duckdb
    import pandas as pd

    places = f"{released}/data/*/*.parquet"
    by_rule = dict(
        duckdb.sql(
            f"select emotion_rule, count(*) from '{places}' group by emotion_rule"
        ).fetchall()
    )
    frame = pd.concat(pd.read_parquet(path) for path in sorted(released.glob("data/*/*.parquet")))
    assert frame["emotion_rule"].value_counts().to_dict() == by_rule
    query = f"select id, sha256(image.bytes), published_sha256, people[1].x1 from '{places}'"
    rows = duckdb.sql(query).fetchall()
    assert len(rows) == len(frame) and all(own == said for _, own, said, _ in rows)
    assert sum(edge is not None for *_, edge in rows) >= 12
    first = frame.iloc[0]["image"]["bytes"]
    assert hashlib.sha256(first).hexdigest() == frame.iloc[0]["published_sha256"]


def test_croissant__gives_records_with_pictures(released: Path) -> None:
    import mlcroissant

    dataset = mlcroissant.Dataset(str(released / "croissant.json"))
    record = next(iter(dataset.records("default")))
    assert record["default/image"].size == (record["default/width"], record["default/height"])
    assert len(record["default/emotion_prob"]) == 8
    content = json.loads((released / "croissant.json").read_text())
    hashes = {item["contentUrl"]: item["sha256"] for item in content["distribution"]
              if item.get("contentUrl", "").endswith(".parquet")}  # fmt: skip
    for name, value in hashes.items():
        assert hashlib.sha256((released / name).read_bytes()).hexdigest() == value
    assert len(hashes) == len(list(released.rglob("*.parquet")))
    for field in ("dataBiases", "dataLimitations", "dataAnnotationProtocol",
                  "personalSensitiveInformation", "dataReleaseMaintenancePlan"):  # fmt: skip
        assert content[f"rai:{field}"]
