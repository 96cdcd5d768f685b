"""What would give another number than was asked for is an error, or is said."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from benchmarks import transfer
from benchmarks.adapters import described, maps, registry, splits
from benchmarks.adapters.base import LabelledRows, Numbers
from benchmarks.features.backbones import Backbone
from benchmarks.features.features import extract
from benchmarks.people import votes
from benchmarks.problem import folds, tasks
from benchmarks.protocols import finetune, finetune_parts, load, with_options
from benchmarks.protocols.regression import goodness
from benchmarks.run import RunConfig, run
from emo8.core.errors import Emo8Error, ModelError, SourceError
from tests.benchmarks.conftest import face_rows, write


def rows(emotion, **more) -> LabelledRows:
    none = [None] * len(emotion)
    return LabelledRows(
        name="d", origin="d", emotion=emotion, rule=["source"] * len(emotion), split=none,
        images=lambda wanted: [b""] * len(wanted), column=lambda name: none,
        column_names=("file",), **more,
    )  # fmt: skip


@pytest.mark.parametrize("task", ["single", "polarity", "regression"])
def test_leave_out__by_any_spelling_in_every_task(task):
    scales = Numbers(names=("valence",), values=np.arange(3.0)[:, None])
    found = tasks.targets(rows(["sadness", "awe", "fear"], scales=scales), task, ["Sad"])
    assert [stratum is None for stratum in found.strata] == [True, False, False]


def test_leave_out__several_labels_and_shares():
    several = rows([None, None], several=[("Peace", "Fear"), ("Fear",)],
                   several_names=("Peace", "Fear"))  # fmt: skip
    found = tasks.targets(several, "multi_label", ["fear"])
    assert found.names == ("Peace",) and found.values.tolist() == [[1], [0]]
    shares = Numbers(names=("awe", "sadness"), values=np.array([[0.5, 0.5]]))
    found = tasks.targets(rows([None], shares=shares), "distribution", ["sad"])
    assert found.names == ("awe",)


def test_leave_out__a_label_that_is_not_there_is_an_error():
    with pytest.raises(Emo8Error, match="did you mean 'sadness'"):
        tasks.targets(rows(["sadness", "awe"]), "single", ["sadnes"])


@pytest.mark.parametrize(
    ("protocol", "option"),
    [
        ("knn", "neighbours=0"),
        ("knn", "temperature=0"),
        ("linear", "l2=0"),
        ("attentive", "epochs=0"),
        ("few_shot", "c=nan"),
        ("finetune", "epochs=-5"),
        ("finetune", "weight_decay=-1"),
        ("finetune", "smoothing=2"),
    ],
)
def test_settings__values_that_make_no_sense_are_refused(protocol, option):
    with pytest.raises(Emo8Error, match=f"{option.partition('=')[0]}=.* must be"):
        with_options(load(protocol).Settings(), protocol, [option])


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("--shots", {"shots": (7,)}),
        ("--draws", {"draws": 3}),
        ("--train-path", {"train_path": "x"}),
        ("--split-seed", {"split_seed": 4}),
        ("--folds 3", {"train_on": "other.parquet", "folds": 3}),
        ("--votes", {"votes": "v.csv", "task": "polarity"}),
        ("--save", {"save": "c.safetensors", "protocols": ("finetune",), "seeds": (0, 1)}),
        ("--save", {"save": "c.safetensors", "protocols": ("finetune",), "view": "person"}),
    ],
)
def test_run__an_option_that_would_change_nothing_is_an_error(faces, option, given):
    config = {"models": ("pixels:2",), "data": str(faces), "protocols": ("knn",)}
    with pytest.raises(Emo8Error, match=option):
        list(run(RunConfig(**config | given)))


def test_run__column_of_a_tree_is_an_error(tmp_path):
    for name in ("awe", "fear"):
        (tmp_path / "t" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "t" / name / "1.png")
    config = RunConfig(models=("pixels:2",), data=str(tmp_path / "t"), protocols=("knn",),
                       emotion_column="mood")  # fmt: skip
    with pytest.raises(Emo8Error, match="--emotion-column"):
        list(run(config))


def tree(root, *names):
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    return registry.read(str(root))


def test_tree__splits_have_the_names_that_every_command_knows(tmp_path):
    found = tree(tmp_path / "t", "Training/awe/1.png", "Training/fear/1.png", "dev/awe/1.png",
                 "testing/fear/1.png", "extra/awe/1.png")  # fmt: skip
    assert set(found.emotion) == {"awe", "fear"}
    assert sorted(found.split) == ["test", "train", "train", "val"]
    assert "1 pictures outside the split folders are left out" in found.notes


def test_tree__splits_below_the_emotions(tmp_path):
    found = tree(tmp_path / "t", "awe/train/1.png", "fear/test/1.png")
    assert list(zip(found.emotion, found.split, strict=True)) == [
        ("awe", "train"),
        ("fear", "test"),
    ]


def test_tree__emotions_below_other_folders_are_asked_about(tmp_path):
    with pytest.raises(SourceError, match="or the folders below them"):
        tree(tmp_path / "t", "part1/awe/1.png", "part1/fear/1.png", "part2/awe/1.png")


def test_described__split_column_in_any_spelling(tmp_path):
    (tmp_path / "d.toml").write_text(
        'name="d"\ntitle="t"\nget="g"\nlicense="l"\nlayout="x"\nform="csv"\nfile="l.csv"\n'
        '[columns]\nimage="f"\nemotion="e"\nsplit="s"\n'
    )
    (tmp_path / "l.csv").write_text("f,e,s\n1.png,awe,Validation\n2.png,fear,TRAIN\n3.png,awe,\n")
    found = described.read(tmp_path, described.load(tmp_path / "d.toml"))
    assert found.split == ["val", "train", None]


def test_split_list__what_is_no_split_or_two_is_named(tmp_path):
    data = rows(["awe", "fear", "awe"])
    data = type(data)(**{**vars(data), "column": lambda _: ["a", "b", "c"]})
    path = tmp_path / "s.csv"
    path.write_text("file,split\na,train\nb,trian\n")
    with pytest.raises(SourceError, match="line 3: b is in 'trian'"):
        splits.apply_list(data, path)
    path.write_text("\ufefffile,split\na,train\na,test\n", encoding="utf-8")
    with pytest.raises(SourceError, match="line 3: a is in 'test', and in 'train'"):
        splits.apply_list(data, path)
    path.write_text("file,split\na,train\nb,Testing\n")
    found = splits.apply_list(data, path)
    assert found.split == ["train", "test", None] and "1 files of the dataset" in found.notes[-1]


def test_own_split__rows_of_other_splits_are_told():
    split = np.array(["train", "test"] * 10 + ["extra"] * 3)
    emotion = np.array((["awe"] * 2 + ["fear"] * 2) * 5 + ["awe"] * 3)
    data = folds.Rows(emotion=emotion, split=split, cluster=np.arange(23), origin="d")
    plan = folds.own_or_kfold(data, 0, 0)
    assert plan.notes == ("rows in neither train, val nor test are not used: extra 3",)


def test_numbered__the_same_bytes_are_copies_whatever_cluster_they_have():
    found = folds.numbered(["1", "2", None, "1", None], ["a", "b", "b", "c", "d"])
    assert (found[0] == found[3]) and (found[1] == found[2])
    assert len(set(found.tolist())) == 3


def test_train_on__clusters_are_each_datasets_own_and_shared_bytes_are_told(measure, tmp_path):
    one = [r | {"cluster": str(i)} for i, r in enumerate(face_rows(6))]
    two = [r | {"cluster": str(i)} for i, r in enumerate(face_rows(6, seed=1))]
    two[0] = one[1] | {"cluster": "0"}
    a, b = write(one, tmp_path / "a.parquet"), write(two, tmp_path / "b.parquet")
    (found,) = measure(b, train_on=str(a))
    assert "1 test rows have a copy among the training rows" in found["notes"]


def test_features__numbers_that_are_none_are_an_error(faces, tmp_path):
    data = registry.read(str(faces))
    broken = Backbone(name="RUN", sha256="0", features=lambda p: np.full((len(p), 2), np.nan))
    with pytest.raises(ModelError, match="NaN or infinite"):
        extract(broken, data, [0, 1], ["a", "b"], tmp_path / "c")


def test_search__answers_that_are_no_numbers_are_never_the_best():
    class Problem:
        task, wanted = "regression", np.ones((2, 1))

    assert goodness(Problem, np.arange(2), np.full((2, 1), np.nan)) == -np.inf
    assert goodness(Problem, np.arange(2), np.full((2, 1), 9.0)) == -8


def test_finetune__smoothing_counts_without_mixing():
    import torch

    mix = finetune_parts.mixing(finetune.Settings(mixup=0, cutmix=0, smoothing=0.2), 2)
    for size in (2, 3):
        pixels, wanted = mix(torch.zeros(size, 3, 4, 4), torch.eye(2)[[0] * size])
        assert wanted[0].tolist() == pytest.approx([0.9, 0.1])
        assert not pixels.any()


def test_map__shares_and_votes_are_mapped_too(tmp_path):
    named = ("amusement", "awe", "sadness")
    numbers = Numbers(names=named, values=np.array([[2.0, 1.0, 3.0]]))
    path = tmp_path / "m.toml"
    path.write_text('name = "m"\nsource = "s"\n[labels]\nAmused = "good"\nAwe = "good"\n')
    data = rows(["awe"], shares=numbers, votes=numbers)
    found = transfer.relabelled(data, str(path))
    assert found.shares.names == ("good",) and found.votes.values.tolist() == [[3.0]]
    table = tmp_path / "v.csv"
    table.write_text("id,annotator,emotion\np,a,awe\np,b,amusement\np,c,sadness\n")
    told = votes.find(data, ["p"], ("good",), table, maps.load(str(path)))
    assert told.names == ("good",) and told.counts.tolist() == [[2]]
    assert "1 votes are for labels that --map does not list" in told.notes
