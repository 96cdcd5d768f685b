"""Claims through a whole build: prompts, votes, calibration, abstention, the report, the queue."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.cli import main
from emo8.core.errors import RecipeError
from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.engine.plan import load_plan
from emo8.labels.calibration import Calibrations, Fit
from emo8.labels.clip.calibrate import Calibration
from emo8.labels.clip.prompts import DEFAULT_PATH
from emo8.labels.clip.recorded import Model
from emo8.labels.clip_steps import Calibrate, Label
from emo8.pipeline.run import build
from emo8.review.sheets import disagreements

UNTOUCHED = ("rows", "measure", "people", "embed-embedded")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, make_inputs: Callable[[Path], Path]) -> Path:
    """A folder with a recipe and its finished build, which the tests of this file may change."""
    folder = tmp_path_factory.mktemp("labels")
    recipe = make_inputs(folder)
    recipe.write_text(recipe.read_text() + "calibration_min_rows = 6\n")
    build(recipe, folder / "BUILD", workers=1)
    return folder


@pytest.fixture
def change(built: Path) -> Iterator[Callable[[str, str], None]]:
    """A function that changes the recipe for one test."""
    recipe = built / "recipe.toml"
    original = recipe.read_text()

    def edit(old: str, new: str) -> None:
        assert old in recipe.read_text()
        recipe.write_text(recipe.read_text().replace(old, new, 1))

    yield edit
    recipe.write_text(original)


def again(built: Path) -> dict[str, int]:
    """Build again; how many parts of each step were not reused."""
    build(built / "recipe.toml", built / "BUILD", workers=1)
    plan = load_plan(built / "BUILD")
    assert plan is not None
    return {name: len(marks) - plan.reused[name] for name, marks in plan.fingerprints.items()}


def published(built: Path) -> pd.DataFrame:
    paths = sorted((built / "BUILD" / "dataset" / "data").glob("*/*.parquet"))
    rows = pa.concat_tables(pq.read_table(path).drop(["image"]) for path in paths)
    return rows.to_pandas().sort_values("id").reset_index(drop=True)


def test_build__every_claim_is_a_column_of_the_dataset(built: Path) -> None:
    rows = published(built)
    prob = np.stack(rows["emotion_prob"].to_list())
    np.testing.assert_allclose(prob.sum(axis=1), 1, atol=1e-3)
    ordered = np.sort(prob, axis=1)
    np.testing.assert_allclose(rows["emotion_margin"], ordered[:, -1] - ordered[:, -2], atol=2e-4)
    assert rows["emotion_entropy"].between(0, 1).all()
    assert rows["emotion_agreement"].eq(1).all()  # one model agrees with itself
    assert rows["emotion_calibration"].eq("none").all()
    assert rows["positive_prob"].between(0, 1).all()
    assert set(rows["people_rule"]) == {"source", "not_run"}
    assert rows.loc[rows["people_rule"].eq("not_run"), "people"].isna().all()
    for row in rows.itertuples():
        assert row.description_with_emotion.startswith(row.description)
        assert EMOTIONS[int(row.emotion)] in row.description_with_emotion
        assert "makes the viewer feel" not in row.description


def test_build__a_new_prompt_decodes_no_picture(built: Path, change: Callable[..., None]) -> None:
    own = DEFAULT_PATH.read_text().replace('"rage"', '"wrath"', 1)
    (built / "own.toml").write_text(own)
    change('clip = ["embedded"]', 'clip = ["embedded"]\nprompts = "own.toml"')
    redone = again(built)
    assert all(redone[step] == 0 for step in UNTOUCHED)
    assert redone["label"] > 0
    assert redone["attributes"] == 0


def test_build__a_new_threshold_for_attributes_reruns_only_them(
    built: Path, change: Callable[..., None]
) -> None:
    again(built)
    change('clip = ["embedded"]', 'clip = ["embedded"]\nmin_attribute_prob = 0.9')
    redone = again(built)
    assert {step for step, number in redone.items() if number} == {"attributes", "describe"}
    rows = published(built)
    assert (rows["facial_expression_prob"].dropna() >= 0.9).all()


def test_attributes__of_the_embedded_model_only_what_it_is_good_for(built: Path) -> None:
    again(built)
    rows = published(built)
    assert rows["scene"].isna().all()
    assert rows["human_action"].isna().all()
    assert rows["objects"].map(len).eq(0).all()
    assert (rows["facial_expression_prob"].dropna() >= 0.6).all()


def test_review__votes_become_human_labels_and_undo_takes_them_back(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again(built)
    before = published(built)
    target = before[before["emotion_rule"].eq("clip")]["id"].tolist()[:3]
    out = before[before["emotion_rule"].eq("clip")]["id"].tolist()[3]
    lines = [f"{key},{name},disgust,," for key in target for name in ("Ann", "Bob")]
    lines += [f"{out},{name},,yes," for name in ("Ann", "Bob")]
    sheet = built / "votes.csv"
    sheet.write_text("id,annotator,emotion,reject,consent\n" + "\n".join(lines) + "\n")
    folder = str(built / "BUILD")
    assert main(["review", folder, "--import", str(sheet)]) == 0
    batch = capsys.readouterr().out.split("as batch ")[1][:12]
    assert set(again(built).values()) == {0}
    rows = published(built).set_index("id")
    assert rows.loc[target, "emotion_rule"].eq("human").all()
    assert rows.loc[target, "emotion"].eq(EMOTIONS.index("disgust")).all()
    assert rows.loc[target[0], "emotion_votes"][EMOTIONS.index("disgust")] == 1
    assert rows.loc[target, "num_votes"].eq(2).all()
    assert out not in rows.index
    card = (built / "BUILD" / "dataset" / "README.md").read_text()
    assert "People voted on 3 rows: 2 annotators" in card
    left = pq.read_table(built / "BUILD" / "tables" / "rejected.parquet").to_pandas()
    assert left.set_index("id").loc[out, "reason"] == "rejected_by_review"
    assert main(["review", folder, "--undo", batch]) == 0
    again(built)
    pd.testing.assert_frame_equal(published(built), before)


def test_calibrate__is_applied_by_the_next_build_and_decodes_nothing(
    built: Path, capsys: pytest.CaptureFixture[str], change: Callable[..., None]
) -> None:
    again(built)
    folder = built / "BUILD"
    assert main(["calibrate", str(folder)]) == 0
    assert "too few labelled rows" in capsys.readouterr().out
    assert (folder / "report" / "calibration.png").stat().st_size > 5000
    redone = again(built)
    assert {step for step, number in redone.items() if number} == {"calibrate"}
    rows = published(built)
    assert not rows["emotion_calibration"].eq("none").any()
    card = (folder / "dataset" / "README.md").read_text()
    fitted = json.loads((folder / "tables" / "calibration.json").read_text())["all"]
    assert f"error {fitted['before']['ece']} before, {fitted['after']['ece']} after" in card
    raw = np.stack(rows["emotion_raw_prob"].to_list())
    assert np.abs(raw - np.stack(rows["emotion_prob"].to_list())).max() > 0.01
    change('clip = ["embedded"]', 'clip = ["embedded"]\nmax_risk = 0.01')
    assert set(again(built).values()) == {0}
    rows = published(built)
    unsure = rows["emotion_rule"].eq("abstain")
    assert unsure.any()  # nine labelled rows are too few to believe anything
    assert rows.loc[unsure, "emotion"].isna().all()
    assert rows.loc[unsure, "description_with_emotion"].equals(rows.loc[unsure, "description"])
    shutil.move(folder / "tables" / "calibration.json", built / "kept.json")
    with pytest.raises(RecipeError, match="needs a calibration, and there is none"):
        build(built / "recipe.toml", folder, workers=1)
    change("max_risk = 0.01", 'max_risk = 0.01\ncalibration = "kept.json"')
    again(built)
    pd.testing.assert_frame_equal(published(built), rows)


def test_report__page_numbers_and_sheets(built: Path) -> None:
    again(built)
    assert main(["report", str(built / "BUILD")]) == 0
    folder = built / "BUILD" / "report"
    numbers = json.loads((folder / "report.json").read_text())
    kept = json.loads((folder / "funnel.json").read_text())["kept"]
    assert numbers["num_rows"] == numbers["steps"][-1]["num_rows"] == kept
    for step in numbers["steps"]:
        counted = sum(sum(cell.values()) for cell in step["counts"].values())
        assert counted == step["num_rows"]
    total = sum(len(line) and sum(line) for line in numbers["confusion"]["source and clip"])
    assert total == numbers["emotion_rules"]["source"]
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= 4
    for name in ("counts_after", "confidence", "ambiguous", "confusion_source_clip"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    cells = {(s, e) for s, e in zip(published(built)["style"], published(built)["emotion"])}
    assert len(list((folder / "samples").glob("*.png"))) == len(cells)


def test_review__sheet_of_doubtful_labels_comes_back_as_votes(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again(built)
    folder, sheet = built / "BUILD", built / "sheet.csv"
    assert main(["review", str(folder), "--export", str(sheet), "--pick", "errors"]) == 0
    rows = pd.read_csv(sheet, dtype=str, keep_default_na=False)
    queue = pq.read_table(folder / "tables" / "review_queue.parquet").to_pandas()
    assert rows["id"].tolist() == queue["id"].tolist()
    assert (queue["emotion"] != queue["emotion_clip"]).all()
    assert main(["review", str(folder), "--import", str(sheet)]) == 2  # nobody filled it in
    assert "holds no vote" in capsys.readouterr().err
    assert (
        main(["review", str(folder), "--export", str(sheet), "--pick", "all", "--limit", "4"]) == 0
    )
    assert len(pd.read_csv(sheet)) == 4
    assert main(["review", str(folder), "--export", str(sheet), "--pick", "some"]) == 2


def test_disagreements__the_surest_contradiction_comes_first() -> None:
    rng = np.random.default_rng(0)
    prob = rng.dirichlet(np.ones(8) * 0.3, size=80)
    label = prob.argmax(axis=1)
    prob[0] = np.where(np.arange(8) == 1, 0.93, 0.01)
    label[0] = 5
    names = np.array(EMOTIONS, dtype=object)
    rows = pd.DataFrame(
        {
            "id": [f"r{k:02d}" for k in range(80)],
            "source": "s", "source_path": "p", "style": "cartoon",
            "emotion": names[label], "emotion_rule": "human",
            "emotion_prob": list(prob), "emotion_clip": names[prob.argmax(axis=1)],
            "clip_prob": prob.max(axis=1), "disputed": False,
        }
    )  # fmt: skip
    found = disagreements(rows)
    assert found["id"].tolist() == ["r00"]
    assert bool(found["is_issue"][0])
    assert disagreements(rows.assign(emotion_rule="clip")).empty


def _label_step(tmp_path: Path, num_models: int, *, style_prompts: bool) -> Label:
    """A step over models that see two directions, with classifiers made by hand."""
    arrays = {}
    models = tuple(
        Model(name=f"m{k}", weights_sha256="", activation="gelu", dim=8, logit_scale=5.0,
              logit_bias=None, context_length=77, precision="fp32")
        for k in range(num_models)
    )  # fmt: skip
    for model in models:
        arrays[f"{model.table}/emotion"] = np.eye(8, dtype=np.float32)
        arrays[f"{model.table}/emotion/cartoon"] = np.roll(np.eye(8, dtype=np.float32), 1, axis=0)
        arrays[f"{model.table}/style"] = np.eye(5, 8, dtype=np.float32)
        arrays[f"{model.table}/polarity"] = np.eye(2, 8, dtype=np.float32)
    np.savez(tmp_path / "c.npz", **arrays)  # type: ignore[arg-type]
    return Label(models=models, prompts_sha256="", style_prompts=style_prompts,
                 classifiers=tmp_path / "c.npz")  # fmt: skip


def _batch(step: Label, pictures: list[list[int | None]], styles: list[str | None]) -> Any:
    """One unit vector per model and row; None = no picture."""
    dtype = pa.list_(pa.float16(), 8)
    batch = {"rows": pa.table({"style_source": pa.array(styles, pa.string())})}
    for model, places in zip(step.models, pictures):
        vectors = [None if p is None else np.eye(8, dtype=np.float16)[p] for p in places]
        batch[model.table] = pa.table({"embedding": pa.array(vectors, dtype)})
    return batch


def test_label__ensemble_is_the_mean_and_agreement_the_share_that_shares_its_top(
    tmp_path: Path,
) -> None:
    step = _label_step(tmp_path, 3, style_prompts=False)
    batch = _batch(step, [[0, 1, None], [0, 1, None], [0, 4, None]], ["natural"] * 3)
    rows = step.run(batch, step.setup()).to_pylist()
    assert [row["emotion_agreement"] for row in rows] == [1, pytest.approx(2 / 3), None]
    assert np.argmax(rows[1]["emotion_raw_prob"]) == 1
    one, four = np.exp(5 * np.eye(8)[1]), np.exp(5 * np.eye(8)[4])
    expected = (2 * one / one.sum() + four / four.sum()) / 3
    np.testing.assert_allclose(rows[1]["emotion_raw_prob"], expected, atol=1e-6)
    assert rows[2]["emotion_raw_prob"] is None


def test_label__wording_follows_the_style_of_the_row(tmp_path: Path) -> None:
    for on, expected in ((True, [3, 2, 3]), (False, [2, 2, 2])):
        step = _label_step(tmp_path, 1, style_prompts=on)
        # the third row's style is unknown to us: CLIP's own is number 2, not cartoon
        batch = _batch(step, [[2, 2, 2]], ["cartoon", "natural", "cartoons"])
        rows = step.run(batch, step.setup()).to_pylist()
        assert [int(np.argmax(row["emotion_raw_prob"])) for row in rows] == expected


def test_calibrate__a_style_uses_its_own_fit_where_there_is_one() -> None:
    def flat(temperature: float) -> Fit:
        return Fit(
            calibration=Calibration(temperature=temperature),
            n=9,
            curve={},
            ece_before=0.2,
            ece_after=0.1,
        )

    step = Calibrate(
        calibrations=Calibrations(overall=flat(2), by_style={"natural": flat(50)}, state="fitted")
    )
    prob = [0.93, *[0.01] * 7]
    batch = {
        "rows": pa.table({"style_source": ["natural", "cartoon", None, "cartoon"]}),
        "label": pa.table(
            {
                "emotion_raw_prob": pa.array([prob, prob, None, prob], pa.list_(pa.float32())),
                "style_prob": pa.array(
                    [[0.2] * len(STYLES)] * 2 + [None, [0.2] * len(STYLES)], pa.list_(pa.float32())
                ),
                "out_of_domain": [True, False, None, True],
            }
        ),
    }
    rows = step.run(batch, None).to_pylist()
    outside = "out_of_domain"  # a style with a fit of its own is believed there too
    assert [row["emotion_calibration"] for row in rows] == ["natural", "all", None, outside]
    assert rows[3]["emotion_prob"] == [0.125] * 8 and rows[3]["emotion_margin"] == 0
    assert rows[0]["emotion_margin"] < rows[1]["emotion_margin"] < 0.92
    assert rows[2]["emotion_prob"] is None
