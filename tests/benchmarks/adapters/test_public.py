"""The adapters of public datasets on small trees in exactly the documented forms."""

from __future__ import annotations

import json
import os
from collections import Counter

import numpy as np
import pytest

from benchmarks.adapters import checking, emotic, registry, splits
from benchmarks.problem import tasks
from emo8.core.errors import Emo8Error, SourceError
from tests.benchmarks.adapters import trees


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("columns", [3, 4])
def test_emoset__both_forms_of_info_and_rows(tmp_path, new, columns):
    rows = registry.read("emoset", trees.emoset(tmp_path, new=new, columns=columns))
    assert len(rows) == 96
    assert Counter(rows.split) == {"train": 32, "val": 32, "test": 32}
    assert set(rows.emotion) == set(trees.MIKELS)
    file = rows.column("file")[0]
    assert file.split("/")[1] == rows.emotion[0]  # the name is the key, whatever its number
    assert set(rows.column("human_action")) == {"boxing", None}
    assert set(rows.column("brightness")) == {"0.3", None}
    assert rows.images([0])[0]


def test_emoset__odd_rows_and_tables_name_file_and_place(tmp_path):
    root = trees.emoset(tmp_path, new=True, columns=3, each=1)
    (root / "val.json").write_text(json.dumps([["awe", "image/x.jpg"]]))
    with pytest.raises(SourceError, match=r"val\.json, row 0: 3 columns"):
        registry.read("emoset", root)
    (root / "val.json").unlink()  # some copies hold only two splits
    assert "val" not in registry.read("emoset", root).split
    (root / "info.json").write_text(json.dumps({"emotion": {"label2idx": {"joy": 0}}}))
    with pytest.raises(SourceError, match="label2idx names joy"):
        registry.read("emoset", root)
    with pytest.raises(SourceError, match=r"no train\.json"):
        registry.read("emoset", tmp_path / "image")


def test_emoset__a_row_cannot_lead_out_of_the_root(tmp_path):
    root = trees.emoset(tmp_path / "in", new=False, columns=3, each=1)
    (tmp_path / "secret.jpg").write_bytes(b"x")
    line = ["awe", "../secret.jpg", "annotation/none.json"]
    (root / "val.json").write_text(json.dumps([line, ["awe", str(tmp_path / "secret.jpg"), "a"]]))
    rows = registry.read("emoset", root)
    outside = [i for i, name in enumerate(rows.column("file")) if "secret" in name]
    assert rows.images(outside) == [None, None]


def test_fi__splits_by_rule_and_leaves_placeholders_out(tmp_path):
    rows = registry.read("fi", trees.fi(tmp_path))
    assert len(rows) == 160
    assert Counter(rows.split) == {"train": 128, "val": 8, "test": 24}  # 16, 1, 3 of each 20
    assert any("6 placeholder" in note for note in rows.notes)
    assert rows.split == registry.read("fi", tmp_path).split
    assert rows.split != registry.read("fi", tmp_path, split_seed=1).split


def test_fi__its_own_split_folders_win(tmp_path):
    for split in ("train", "val", "test"):
        for name in ("awe", "fear"):
            trees.put(tmp_path / split / name / "a.jpg", 1)
    assert Counter(registry.read("fi", tmp_path).split) == {"train": 2, "val": 2, "test": 2}


def test_emotion6__four_tasks_from_one_table(tmp_path):
    rows = registry.read("emotion6", trees.emotion6(tmp_path))
    assert len(rows) == 60
    assert Counter(rows.split) == {"train": 42, "val": 6, "test": 12}
    single, dominant = (tasks.targets(rows, task).strata for task in ("single", "dominant"))
    assert single.count("anger") == 10
    assert dominant.count("anger") == 9  # one picture of each folder says the next emotion
    seven = tasks.targets(rows, "distribution")
    assert seven.names[-1] == "neutral"
    assert np.allclose(seven.values.sum(axis=1), 1)
    six = tasks.targets(rows, "distribution", ["neutral"])
    assert len(six.names) == 6
    assert np.allclose(six.values.sum(axis=1), 1)
    assert tasks.targets(rows, "regression").names == ("valence", "arousal")
    assert rows.images([0])[0]


def test_emotion6__without_header_and_with_a_wrong_line(tmp_path):
    root = trees.emotion6(tmp_path, each=4)
    path = root / "ground_truth.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[1:]))
    assert len(registry.read("emotion6", root)) == 24
    path.write_text("\n".join([*lines, "anger/9.jpg\t1\t2"]))
    with pytest.raises(SourceError, match="line 26: 10 tab-separated columns"):
        registry.read("emotion6", root)


def test_unbiased__splits_inside_each_concept(tmp_path):
    rows = registry.read("unbiased_emotion", trees.unbiased(tmp_path))
    inside = Counter(zip(rows.emotion, rows.column("concept"), rows.split, strict=True))
    assert inside[("love", "dog", "train")] == 7
    assert inside[("love", "dog", "val")] == 1
    assert inside[("love", "dog", "test")] == 2


def test_caer_s__cuts_validation_from_test_and_reads_boxes(tmp_path):
    rows = registry.read("caer_s", trees.caer_s(tmp_path))
    assert Counter(rows.split) == {"train": 56, "val": 28, "test": 56}  # int(12 * 0.34) = 4
    assert Counter(rows.column("official_split")) == {"train": 56, "test": 84}
    assert {"anger", "happiness", "sadness", "neutral"} <= set(rows.emotion)
    assert sum(box is not None for box in rows.boxes) == 7
    assert any("7 boxes" in note for note in rows.notes)


@pytest.mark.parametrize("folder", ["Data", "Images"])
def test_heco__one_row_per_person_and_one_side_per_picture(tmp_path, folder):
    rows = registry.read("heco", trees.heco(tmp_path, folder))
    assert len(rows) == 88
    assert "happinesst" not in rows.emotion
    assert any("Happinesst" in note for note in rows.notes)
    sides: dict[str, set[str]] = {}
    for file, split in zip(rows.column("file"), rows.split, strict=True):
        sides.setdefault(file, set()).add(split)
    assert all(len(found) == 1 for found in sides.values())
    assert rows.images([0])[0]
    assert rows.scales.values[0].tolist() == [1, 5, 1]


@pytest.mark.parametrize("form", ["mat", "csv", "arrays"])
def test_emotic__three_forms_say_the_same_kind_of_thing(tmp_path, form):
    root = getattr(trees, f"emotic_{form}")(tmp_path)
    rows = registry.read("emotic", root)
    assert rows.several_names[:2] == ("Affection", "Anger")
    counts = Counter(rows.split)
    assert (counts["val"], counts["test"]) == (20, 20)
    place = rows.split.index("val") + 1
    if form == "arrays":  # its columns start with Peace: names are used, not places
        assert rows.several[place] == ("Anger", "Peace")
        assert counts["train"] == 42
    else:
        assert rows.several[place] == ("Anger", "Embarrassment")
        assert counts["train"] == (39 if form == "mat" else 40)
    assert rows.scales.values[place].tolist() == [2, 5, 6]
    assert rows.images([place])[0]
    assert rows.boxes[place][0] == 2
    targets = tasks.targets(rows, None)
    assert targets.task == "multi_label"
    assert "Doubt/Confusion" in targets.names


def test_emotic__a_person_without_vad_is_dropped_and_counted(tmp_path):
    rows = registry.read("emotic", trees.emotic_mat(tmp_path))
    assert rows.notes == ("people without complete VAD dropped: 1 of train",)


def test_emotic__hostile_files_are_errors_that_name_them(tmp_path, monkeypatch):
    root = trees.emotic_mat(tmp_path)
    path = root / "Annotations" / "Annotations.mat"
    monkeypatch.setattr(emotic, "MAX_MAT_BYTES", 100)
    with pytest.raises(SourceError, match="over the cap"):
        registry.read("emotic", root)
    monkeypatch.undo()
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(SourceError, match=r"Annotations\.mat"):
        registry.read("emotic", root)
    path.write_bytes(b"not MATLAB at all")
    with pytest.raises(SourceError, match="cannot be read as a MATLAB file"):
        registry.read("emotic", root)


def test_emotic__lists_are_parsed_and_never_run(tmp_path):
    root = trees.emotic_csv(tmp_path)
    path = root / "val.csv"
    evil = path.read_text().replace('"[2, 1, 30, 28]"', "\"__import__('os').getcwd()\"", 1)
    path.write_text(evil)
    with pytest.raises(SourceError, match="is not a list"):
        registry.read("emotic", root)


def test_toml__shipped_descriptions(tmp_path):
    art = registry.read("artphoto", trees.artphoto(tmp_path / "a"))
    assert Counter(art.emotion) == {"amusement": 8, "anger": 8, "sadness": 8}
    abstract = registry.read("abstract", trees.abstract(tmp_path / "b"))
    assert Counter(tasks.targets(abstract, None).strata) == {"amusement": 12, "contentment": 12}
    assert abstract.images([0])[0]
    web = registry.read("webemo", trees.webemo(tmp_path / "c"))
    assert set(web.emotion) == {"affection", "sadness", "surprise"}
    assert Counter(web.split) == {"train": 18, "test": 18}
    finding = registry.read("findingemo", trees.findingemo(tmp_path / "d"))
    assert set(finding.emotion) == {"joy", "grief"}
    assert finding.images([3])[0]
    assert finding.scales.names == ("valence", "arousal")


def test_toml__ten_lines_of_ones_own(tmp_path):
    trees.put(tmp_path / "x" / "glad" / "1.jpg", 1)
    trees.put(tmp_path / "x" / "sad" / "1.jpg", 2)
    mine = tmp_path / "mine.toml"
    head = 'name = "mine"\ntitle = "t"\nget = "g"\nlicense = "l"\nlayout = "ROOT"\n'
    mine.write_text(head + 'form = "folders"\nlabels = { glad = "joy" }\n')
    assert sorted(registry.read(str(mine), tmp_path / "x").emotion) == ["joy", "sadness"]
    mine.write_text(head + 'form = "folder"\n')
    with pytest.raises(SourceError, match="form = 'folder'; choose one of folders"):
        registry.read(str(mine), tmp_path / "x")
    mine.write_text(head + 'frm = "folders"\n')
    with pytest.raises(SourceError, match=r"unknown key 'frm'; did you mean 'form'"):
        registry.read(str(mine), tmp_path / "x")


def test_check__counts_and_explains_differences(tmp_path):
    report, _ = checking.check("emotion6", trees.emotion6(tmp_path))
    said = checking.text(report)
    assert "documented 1980 [H]: -1920" in said
    assert "[H] = read from the primary source" in said
    assert report.missing == 0
    (tmp_path / "images" / "fear" / "3.jpg").unlink()
    assert checking.check("emotion6", tmp_path)[0].missing == 1


def test_check__says_so_where_nothing_differs(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(
        'name = "mine"\ntitle = "t"\nget = "g"\nlicense = "l"\nlayout = "r"\nform = "folders"\n'
        '[expected.all]\nmark = "M"\nall = 2\n'
    )
    for name in ("awe", "fear"):
        trees.put(tmp_path / "x" / name / "1.jpg", 3)
    report, _ = checking.check(str(mine), tmp_path / "x")
    assert "nothing differs" in checking.text(report)


def test_check__a_split_that_is_not_there_is_a_difference(tmp_path):
    root = trees.emoset(tmp_path, new=True, columns=3, each=1)
    (root / "test.json").unlink()
    report, rows = checking.check("emoset", root)
    assert any(line.part == "test" and line.documented == 17716 for line in report.differences)
    assert any("not there: test.json" in note for note in rows.notes)
    said = checking.text(report)
    assert "documented 17716 [H]: not there" in said


def test_split_list__written_and_read_back(tmp_path):
    rows = registry.read("fi", trees.fi(tmp_path / "fi", each=8))
    assert splits.write_list(rows, tmp_path / "l.csv") == 64
    other = registry.read("fi", tmp_path / "fi", split_seed=5)
    assert other.split != rows.split
    again = splits.apply_list(other, tmp_path / "l.csv")
    assert again.split == rows.split
    assert "64 files" in again.notes[-1]
    (tmp_path / "bad.csv").write_text("file,split\nnowhere.jpg,train\n")
    with pytest.raises(SourceError, match="names none of the files"):
        splits.apply_list(rows, tmp_path / "bad.csv")


def test_task__that_a_dataset_lacks_says_what_it_has(tmp_path):
    rows = registry.read("fi", trees.fi(tmp_path, each=5))
    with pytest.raises(Emo8Error, match="It has what these need: single, polarity"):
        tasks.targets(rows, "regression")


@pytest.mark.parametrize("name", registry.BENCHMARKS)
def test_registry__wrong_path_says_layout_and_how_to_get_it(name, tmp_path):
    facts = registry.info(name)
    assert facts.license and facts.get and facts.layout
    with pytest.raises(SourceError, match="needs --path"):
        registry.read(name)
    with pytest.raises(SourceError):
        registry.read(name, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError):
        registry.read(name, tmp_path / "empty")


def test_emotic__wrong_boxes_are_dropped_and_counted(tmp_path):
    root = trees.emotic_csv(tmp_path)
    path = root / "val.csv"
    lines = path.read_text().splitlines()
    for place, box in ((1, "[9, 1, 9, 28]"), (2, "[50, 1, 60, 28]"), (3, "[1, 2, 3]")):
        lines[place] = lines[place].replace("[2, 1, 30, 28]", box)
    lines[4] = lines[4].replace("[2, 1, 30, 28]", "[-5, 1, 60, 28]")  # reaches out: cut when used
    path.write_text("\n".join(lines))
    rows = registry.read("emotic", root)
    assert Counter(rows.split)["val"] == 17
    assert any("box has no area or lies outside" in n and "3 of val" in n for n in rows.notes)


def test_artemis__one_row_per_painting_with_its_votes(tmp_path):
    rows = registry.read("artemis", trees.artemis(tmp_path))
    assert len(rows) == 24 and rows.images([0])[0]
    assert rows.shares.names == rows.votes.names == ("awe", "sadness", "something_else")
    assert rows.votes.values[0].tolist() in ([1, 0, 2], [2, 1, 0])
    assert Counter(rows.split)["test"] >= 2
    (tmp_path / "artemis_dataset_release_v0.csv").write_text("art_style,painting\na,b\n")
    with pytest.raises(SourceError, match="has no column emotion"):
        registry.read("artemis", tmp_path)
    with pytest.raises(SourceError, match="is missing: the released annotations"):
        registry.read("artemis", tmp_path / "wikiart")


def test_ldl__votes_are_counts_and_a_missing_column_is_named(tmp_path):
    rows = registry.read("flickr_ldl", trees.ldl(tmp_path))
    assert rows.votes.values.sum(axis=1).tolist() == [9] * 24
    assert rows.shares.names[:2] == ("amusement", "awe")
    table = tmp_path / "votes.csv"
    table.write_text(table.read_text().replace("Fear", "Dread"))
    with pytest.raises(SourceError, match="has no column Fear"):
        registry.read("flickr_ldl", tmp_path)


def test_emoverse__as_downloaded(tmp_path):
    rows = registry.read("emoverse", trees.emoverse(tmp_path))
    assert Counter(rows.split) == {"train": 12, "test": 12}
    assert set(rows.emotion) == {"amusement", "awe"}


def test_heco__a_column_that_stands_twice_is_named(tmp_path):
    table = trees.heco(tmp_path) / "Labels" / "HECO_Labels.csv"
    heading, _, rest = table.read_text().partition("\n")
    table.write_text(f"{heading},Category\n{rest}".replace("1,0\n", "1,0,Anger\n"))
    with pytest.raises(SourceError, match="'Category' stands twice"):
        registry.read("heco", tmp_path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("name", "make", "file"),
    [
        ("emotion6", trees.emotion6, "ground_truth.txt"),
        ("heco", trees.heco, "Labels/HECO_Labels.csv"),
        ("oasis", trees.oasis, "OASIS.csv"),
        ("fi", lambda root: trees.fi(root, each=6), ""),
    ],
)
def test_pipes__hang_no_reader(name, make, file, tmp_path):
    make(tmp_path)
    pipes = [tmp_path / file] if file else sorted(tmp_path.rglob("awe_*.jpg"))
    for path in pipes:
        path.unlink()
        os.mkfifo(path)
    if file:
        with pytest.raises(SourceError, match="is no plain file"):
            registry.read(name, tmp_path)
    else:
        rows = registry.read(name, tmp_path)
        pictures = rows.images(range(len(rows)))
        assert sum(data is None for data in pictures) == len(pipes)
