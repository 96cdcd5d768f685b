"""The claim study end to end on a tiny corpus, and its statistics on numbers with known answers."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks.lab.study import arms, claim, data, paired, probe, report, train, why
from benchmarks.lab.study.__main__ import main
from benchmarks.lab.study.measured import Measured
from emo8.core.errors import Emo8Error, SourceError
from emo8.core.taxonomy import EMOTIONS
from tests.benchmarks.conftest import write
from tests.conftest import encoded, picture

VENDORS = ("fluent", "noto", "fxemoji", "dylan", "twemoji", "openmoji", "open-peeps")


def cut_out(seed: int) -> bytes:
    """A figure on nothing."""
    rgba = np.zeros((120, 80, 4), np.uint8)
    rgba[20:110, 20:60] = (seed * 40 % 255, 90, 160, 255)
    out = io.BytesIO()
    Image.fromarray(rgba).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Twelve scenes, six figures, four pictures of held-out families, and labelled faces."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = []
    for k in range(22):
        kind = "scene" if k < 12 else "figure" if k < 18 else "held"
        image = encoded(picture(k, (240, 180))) if kind == "scene" else cut_out(k)
        rows.append(
            {
                "id": f"c{k}",
                "image": image,
                "caption": f"{kind} {k}",
                "style": "natural" if kind == "scene" else "cartoon",
                "source_package": "@x/twemoji" if kind == "held" else "pack",
                "has_people": kind != "scene",
                "emotion_hint": None if kind == "scene" else "awe",
            }
        )
    write(rows, folder / "images-00000.parquet")
    faces = [
        {
            "id": f"f-{vendor}-{name}-{k}", "vendor": vendor,
            "image": encoded(picture(100 * VENDORS.index(vendor) + 10 * number + k, (24, 24))),
            "codepoint": f"{number}{k}", "emotion": name, "strength": ["strong", "weak"][k % 2],
        }
        for vendor in VENDORS
        for number, name in enumerate(EMOTIONS)
        for k in range(2)
    ]  # fmt: skip
    write(faces, folder / "emotion_faces.parquet")
    return folder


def test_data__held_out_families_never_enter_and_boxes_are_inside(corpus, tmp_path):
    assert data.write(corpus, tmp_path / "p.parquet", composites=3, seed=0) == 21
    rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert not [row for row in rows if "held" in row["caption"]]
    laid = [row for row in rows if row["people"]]
    assert len(laid) == 3
    for row in laid:
        box = row["people"][0]
        assert 0 <= box["x0"] < box["x1"] <= 1 and 0 <= box["y0"] < box["y1"] <= 1
        assert "in front of" in row["caption"]
    with pytest.raises(SourceError, match=r"no images-\*\.parquet"):
        data.write(tmp_path, tmp_path / "q.parquet", composites=0, seed=0)


def test_data__texts_with_and_without_the_emotion():
    assert data.TEXTS["with_emotion"]("a face.", "awe") == "a face. It evokes awe."
    assert data.TEXTS["without_emotion"]("an awed face", "awe") == ""
    assert data.TEXTS["without_emotion"]("a tree", None) == "a tree"


def test_sides__test_families_stay_closed(corpus):
    faces = probe.read(corpus / "emotion_faces.parquet")
    family = np.array(faces.family)
    choice = probe.sides(faces, open_test=False)
    assert not set(family[choice.train]) & {*data.CHOICE, *data.TEST}
    assert set(family[choice.test]) == set(data.CHOICE)
    opened = probe.sides(faces, open_test=True)
    assert set(family[opened.test]) == set(data.TEST)
    assert not set(opened.train) & set(opened.test)


@pytest.mark.slow
def test_study__end_to_end_then_again_without_work(corpus, tmp_path, capsys):
    out = tmp_path / "results"
    command = ["--corpus", str(corpus), "--work", str(tmp_path / "work"),
               "--out", str(out), "--steps", "2", "--seeds", "1", "--probe-seeds", "2",
               "--composites", "2", "--arms", "scratch", "full", "supervised_hints"]  # fmt: skip
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "pretrained full seed 0, 2 steps" in said
    page = (out / "claim.md").read_text()
    assert "The test families have not been opened" in page
    assert "| scratch |" in page and "| teacher |" in page and "Unfinished" in page
    assert (out / "claim" / "steps-2" / "accuracy.svg").is_file()
    assert not (out / claim.LOOKS).exists()
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines() == [str(out / "claim.md")]
    assert main([*command, "--open-test", "--only", "probe"]) == 0
    looks = (out / claim.LOOKS).read_text().splitlines()
    assert len(looks) == 1 + 5  # scratch, full, supervised_hints, pixels, teacher
    (out / "claim" / "steps-2" / report.READING).write_text("## Read by a person\n")
    assert main([*command, "--only", "report"]) == 0
    page = (out / "claim.md").read_text()
    assert "twemoji" in page and "## Read by a person" in page
    where = ["--corpus", str(corpus), "--work", str(tmp_path / "work"), "--steps", "2"]
    assert why.main([*where, "--out", str(tmp_path / "why.json")]) == 0
    found = json.loads((tmp_path / "why.json").read_text())
    assert list(found["runs"]) == ["full-seed0"]  # scratch and the classifier have no student
    assert found["runs"]["full-seed0"]["learned"] < 0.9
    assert found["faces"] == 4 * 16


def test_why__a_constant_answer_is_as_good_as_the_mean_allows():
    same = np.tile(np.array([[0.6, 0.8]], np.float32), (5, 1))
    assert why.constant_l2(same) == pytest.approx(0, abs=1e-6)
    apart = np.array([[1, 0], [-1, 0]], np.float32)
    assert why.constant_l2(apart) == pytest.approx(1)
    rng = np.random.default_rng(0)
    unit = rng.normal(size=(50, 8)) + 1
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    best = unit.mean(axis=0) / np.linalg.norm(unit.mean(axis=0))
    assert why.constant_l2(unit) == pytest.approx(float((1 - unit @ best).mean()))


def test_study__mistakes_say_what_to_do(corpus, tmp_path, capsys):
    where = ["--work", str(tmp_path), "--out", str(tmp_path)]
    assert main(["--corpus", str(tmp_path), *where]) == 2
    assert "no emotion_faces.parquet" in capsys.readouterr().err
    with pytest.raises(Emo8Error, match="did you mean 'distillation'"):
        arms.get("distilation")
    command = ["--corpus", str(corpus), *where, "--only", "report"]
    assert main(command) == 2
    assert "run the study first" in capsys.readouterr().err


def test_train__a_teacher_of_the_study_has_a_folder_and_a_cache_of_its_own(tmp_path, monkeypatch):
    called = []
    monkeypatch.setattr(train, "_call", called.append)
    monkeypatch.setattr(train, "make_pictures", lambda *_, **__: tmp_path / "p.parquet")
    arm = arms.get("teacher_without_emotion")
    cache = train.make_cache(tmp_path, tmp_path, arm, composites=0, seed=0)
    assert cache.name == "views-captions-without_emotion.safetensors"
    trained, cached = called
    assert '{"emotion": false, "emotion_loss": 0.0}' in trained
    folder = tmp_path / "teacher-without_emotion"
    assert str(folder) in trained and f"local-dir:{folder}" in cached
    folder.mkdir()
    (folder / "training.json").write_text("{}")
    called.clear()
    train.make_cache(tmp_path, tmp_path, arms.get("mae"), composites=0, seed=0)
    train.make_teacher(tmp_path, tmp_path, "without_emotion")
    assert len(called) == 1 and called[0][-1] == "embedded"


def test_train__finished_only_at_its_last_step(tmp_path):
    assert not train.is_finished(tmp_path, 5)
    (tmp_path / "last").mkdir()
    (tmp_path / "last" / "state.json").write_text('{"step": 4}')
    assert not train.is_finished(tmp_path, 5)
    assert train.is_finished(tmp_path, 4)


def page(**right: np.ndarray) -> report.Page:
    """A page about arms of which is known who was right about eight pictures of twemoji."""
    faces = probe.ProbeFaces(
        rows=None, family=["twemoji"] * 8 + ["noto"] * 8, codepoint=np.arange(16),
        strong=np.ones(16, bool), target=np.arange(16) % 8, digests=[],
    )  # fmt: skip
    found = {name: measured(name, one) for name, one in right.items()}
    return report.Page(arms=found, asked=list(range(8)), faces=faces, side="test", steps=2)


def test_report__cheaper_variants_are_lower_only_beyond_the_interval():
    some, none = np.tile([1.0, 0, 1, 1, 0, 1, 0, 1], (3, 5, 1)), np.zeros((3, 5, 8))
    text = "\n".join(report._cheaper(page(plain=some, full=some, light_decoder=none)))
    assert "| cached_teacher: four stored crops |" in text
    assert text.count("not lower than plain") == 1
    assert "| light_decoder | 0.000, 0.000, 0.000 | -0.625" in text
    assert "Unfinished" not in text
    assert "Unfinished: 1 of 3" in "\n".join(report._cheaper(page(plain=some[:1], full=some)))
    assert report._cheaper(page(full=some)) == []


def test_report__says_what_was_not_run():
    some = np.ones((3, 5, 8))
    text = "\n".join(report._not_run(page(full=some, mae=some[:1])))
    assert "- `mae`" in text and "1 of 3 pretraining seeds" in text
    assert "- `paired`" in text and "`full` (" not in text


def test_report__other_arms_are_corrected_by_themselves():
    some, none = np.ones((3, 5, 8)), np.zeros((3, 5, 8))
    text = report._explored(page(full=some, paired=none, mae=none))
    assert [line for line in text if line.startswith("| paired | +1.000")]
    assert not [line for line in text if line.startswith("| mae ")]


def measured(name: str, right: np.ndarray) -> Measured:
    return Measured(
        name=name, what="", seeds=tuple(range(len(right))), right=right, knn=right,
        unseen=right[:, 0], said=right.astype(int), shares={"1.0": 0.5},
    )  # fmt: skip


def test_compare__finds_a_large_difference_and_not_its_absence():
    rng = np.random.default_rng(0)
    good = (rng.random((3, 5, 200)) < 0.8).astype(float)
    bad = (rng.random((3, 5, 200)) < 0.4).astype(float)
    alike = (rng.random((3, 5, 200)) < 0.8).astype(float)
    alone = np.arange(200)
    others = [measured("mae", bad), measured("full2", alike)]
    first, second = paired.against(measured("full", good), others, alone)
    assert first.low < first.difference < first.high
    assert first.low > 0.2
    assert first.verdict == "full is better"
    assert second.verdict == "no difference was shown"
    assert first.corrected == pytest.approx(2 * first.p)


def test_compare__equal_code_points_count_as_one():
    gap = np.zeros((1, 1, 100))
    gap[..., :20] = 1  # twenty pictures of one code point
    alone = paired.compare(measured("full", gap), measured("mae", gap * 0), np.arange(100))
    one = np.r_[np.zeros(20), np.arange(1, 81)].astype(int)
    together = paired.compare(measured("full", gap), measured("mae", gap * 0), one)
    assert alone.p < 0.001 < together.p
    assert together.high - together.low > alone.high - alone.low
