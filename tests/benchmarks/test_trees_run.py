"""Every protocol on small trees of the public datasets, and the tasks they bring."""

from __future__ import annotations

import pytest

from benchmarks.adapters import registry
from benchmarks.cli import main
from benchmarks.protocols import PROTOCOLS
from benchmarks.results import table
from emo8.core.errors import Emo8Error, SourceError
from tests.benchmarks.adapters import trees

QUICK = {
    "knn": ("neighbours=3",),
    "linear": ("l2=0.3",),
    "few_shot": (),
    "attentive": ("epochs=2", "lr=0.001"),
    "finetune": ("epochs=1", "batch_size=16"),
}
MAIN = {"emotic": "mAP", "oasis": "rmse"}  # what stands first where it is not the accuracy


def run_tree(name, protocols, measure, tmp_path):
    """Results of these protocols on a tree, each checked for its main metric."""
    results = measure(
        name,
        path=trees.EVERY[name](tmp_path / "tree"),
        models=("pixels:4",),
        protocols=protocols,
        **({"draws": 2} if "few_shot" in protocols else {}),
        set=tuple(option for protocol in protocols for option in QUICK[protocol]),
    )
    assert [result["protocol"] for result in results] == list(protocols)
    for result in results:
        low, high = result["interval95"][MAIN.get(name, "accuracy")]
        assert low <= high


def test_trees__of_every_registered_benchmark():
    assert {*trees.EVERY, "emotion_faces"} == set(registry.BENCHMARKS)


@pytest.mark.parametrize("name", trees.EVERY)
def test_run__each_tree(name, measure, tmp_path):
    run_tree(name, ("knn",), measure, tmp_path)


@pytest.mark.parametrize("name", ["emotion6"])
def test_run__learning_protocols(name, measure, tmp_path):
    run_tree(name, ("linear", "few_shot", "attentive"), measure, tmp_path)


def every_protocol(data, tmp_path, skip=()):
    """Runs every protocol as a user would, then all tables and figures; the results."""
    out = tmp_path / "r.jsonl"
    common = ["--out", str(out), "--cache", str(tmp_path / "cache"), "--draws", "2", *data]
    cheap = [p for p in PROTOCOLS if p not in (*skip, "finetune")]
    quick = [option for p in cheap for option in QUICK.get(p, ())]
    given = ["run", "--model", "embedded", "--protocol", *cheap, "--set", *quick]
    assert main([*given, *common]) == 0
    tiny = ["--protocol", "finetune", "--set", *QUICK["finetune"]]
    assert main(["run", "--model", "random:cpu_smoke", *tiny, *common]) == 0
    for form in ("markdown", "latex", "html"):
        assert main(["table", str(out), "--format", form, "--figures", str(tmp_path / "f")]) == 0
    return table.read_results([out])


@pytest.mark.slow
@pytest.mark.parametrize("name", trees.EVERY)
def test_run__every_protocol_on_each_tree(name, tmp_path):
    data = ["--data", name, "--path", str(trees.EVERY[name](tmp_path / "tree"))]
    skip = ("zero_shot", "few_shot") if name == "oasis" else ()  # numbers alone, no labels
    results = every_protocol(data, tmp_path, skip)
    assert {r["protocol"] for r in results} == set(PROTOCOLS) - set(skip)
    for result in results:
        low, high = result["interval95"][MAIN.get(name, "accuracy")]
        assert low <= high


@pytest.mark.slow
def test_run__every_protocol_on_emotion_faces(corpus, tmp_path):
    data = ["--data", "emotion_faces", "--path", str(corpus / "emotion_faces.parquet")]
    results = every_protocol([*data, "--folds", "2"], tmp_path)
    assert {r["protocol"] for r in results} == set(PROTOCOLS)
    assert all(r["n"] == 839 for r in results)
    assert (tmp_path / "f" / "intervals.svg").is_file()


def test_run__zero_shot_on_labels_that_clip_has_no_prompts_for(measure, tmp_path):
    (result,) = measure(
        "emotic", path=trees.emotic_csv(tmp_path / "t"), models=("embedded",),
        protocols=("zero_shot",),
    )  # fmt: skip
    assert len(result["emotions"]) == 26
    assert result["task"] == "multi_label"
    assert 0 < result["metrics"]["mAP"] < 1


@pytest.mark.parametrize(
    ("name", "task", "metric"),
    [
        ("emotion6", "dominant", "accuracy"),
        ("emotion6", "distribution", "kl"),
        ("emotion6", "regression", "rmse"),
        ("emotion6", "polarity", "accuracy"),
        ("heco", "regression", "mae"),
        ("emotic", "regression", "pearson"),
        ("abstract", "distribution", "cosine"),
    ],
)
def test_run__every_task(name, task, metric, measure, tmp_path):
    root = trees.EVERY[name](tmp_path / "tree")
    results = measure(
        name, path=root, models=("pixels:4",), protocols=("knn", "linear", "attentive"),
        task=task, set=(*QUICK["knn"], *QUICK["linear"], *QUICK["attentive"]),
    )  # fmt: skip
    for result in results:
        assert result["task"] == task
        assert metric in result["metrics"]


def test_run__views_differ_and_need_boxes(measure, tmp_path):
    root = trees.heco(tmp_path / "tree")
    hashes = {}
    for view in ("scene", "person", "both"):
        (result,) = measure("heco", path=root, view=view)
        hashes[view] = result["config_hash"]
        assert result.get("view", "scene") == view
    assert len(set(hashes.values())) == 3
    with pytest.raises(SourceError, match="gives no person boxes"):
        measure("fi", path=trees.fi(tmp_path / "fi", each=6), view="person")


def test_run__from_one_dataset_to_another_by_a_map(measure, tmp_path):
    fi, six = trees.fi(tmp_path / "fi", each=12), trees.emotion6(tmp_path / "six")
    (result,) = measure(
        "emotion6", path=six, train_on="fi", train_path=fi, label_map="mikels8-to-ekman6-1"
    )
    assert result["dataset"] == "fi -> emotion6"
    assert set(result["emotions"]) == {"anger", "disgust", "fear", "joy", "sadness"}
    assert result["n"] == 10  # two test pictures of each shared folder
    assert any("awe" in note and "not in it" in note for note in result["notes"])
    with pytest.raises(Emo8Error, match="no such label map"):
        measure("emotion6", path=six, label_map="mikels8")


def test_run__settings_by_name(measure, tmp_path):
    root = trees.artphoto(tmp_path / "t")
    with pytest.raises(Emo8Error, match=r"has no such setting.*did you mean 'neighbours'"):
        measure("artphoto", path=root, set=("neighbors=3",))
    (result,) = measure("artphoto", path=root, set=("neighbours=3",), folds=2)
    assert result["settings"]["neighbours"] == [3]


def test_run__tasks_that_a_protocol_cannot_do(measure, tmp_path):
    root = trees.emotion6(tmp_path / "t")
    with pytest.raises(Emo8Error, match="few_shot needs labels"):
        measure("emotion6", path=root, task="regression", protocols=("few_shot",))
    with pytest.raises(Emo8Error, match="choose one of single"):
        measure("emotion6", path=root, task="ranking")
