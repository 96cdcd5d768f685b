"""What is told about a run: speed, trackers, probes, pictures, curves, help."""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from pretrain.cli import main
from pretrain.config import help, recipes
from pretrain.config.overrides import field_types
from pretrain.config.settings import PretrainConfig
from pretrain.data.cache import open_source
from pretrain.models.uniemox import build_model
from pretrain.train import probes, progress
from pretrain.train.metrics import read_metrics
from pretrain.train.parallelize import World
from pretrain.train.plot import curve, smoothed
from pretrain.train.probes import knn_accuracy, probe_rows
from pretrain.train.trackers import flat

WORLD = World(rank=0, size=1, device=torch.device("cpu"))


def logged(**log: Any) -> PretrainConfig:
    recipe = recipes.cpu_smoke()
    return dataclasses.replace(recipe, log=dataclasses.replace(recipe.log, **log))


def test_mfu__is_the_models_own_operations_over_the_peak() -> None:
    config = logged(peak_tflops=1e-3)
    found = progress.Progress(config, WORLD, teacher_dim=16).timing(0.5, 1.5, 0.0)
    flops = progress.flops_per_row(config, 16) * config.data.batch_size
    assert found["mfu"] == pytest.approx(flops / 2.0 / 1e9, abs=1e-4)
    assert found["images_s"] == config.data.batch_size / 2
    assert "mfu" not in progress.Progress(logged(), WORLD, teacher_dim=16).timing(1, 1, 0)


def test_flops__are_those_that_torch_counts_for_a_step() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    from pretrain.train import step
    from tests.pretrain.train.test_step import state_and_batch

    state, batch = state_and_batch()
    with FlopCounterMode(display=False) as counter:
        step.backward(state, [batch])
    own = progress.flops_per_row(state.config, 16) * len(batch.ids)
    # the first layer needs no gradient of its input, so forward times three is a little more
    assert own == pytest.approx(counter.get_total_flops(), rel=0.1)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(5, "5 s"), (600, "10 min"), (12000, "3 h 20 min"), (200000, "2 d 7 h")],
)
def test_duration__for_people(seconds: float, said: str) -> None:
    assert progress.duration(seconds) == said


def test_flat__numbers_of_a_line_but_its_step() -> None:
    line = {"step": 3, "loss": 1.0, "losses": {"L1": 0.5, "L2": None}, "rows": "ab", "spike": True}
    assert flat(line) == {"loss": 1.0, "losses/L1": 0.5}


def test_tensorboard__has_the_curves(tmp_path: Path, smoke_args: list[str]) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "RUN"
    arguments = [*smoke_args, "--out", str(run), "--log.tensorboard", "true"]
    assert main([*arguments, "--steps", "2"]) == 0
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    lines = read_metrics(run / "metrics.jsonl")
    assert [e.step for e in events.Scalars("losses/L3")] == [1, 2]
    values = [e.value for e in events.Scalars("loss")]
    assert values == pytest.approx([line["loss"] for line in lines])


def test_wandb__is_told_every_step(
    tmp_path: Path, smoke_args: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    import wandb

    told: list[tuple[int, dict[str, float]]] = []

    class Tracker:
        def log(self, values: dict[str, float], step: int) -> None:
            told.append((step, values))

        def finish(self) -> None:
            told.append((0, {}))

    given: dict[str, Any] = {}
    monkeypatch.setattr(wandb, "init", lambda **options: given.update(options) or Tracker())
    arguments = ["--out", str(tmp_path / "RUN"), "--log.wandb_project", "emotions"]
    assert main([*smoke_args, *arguments, "--steps", "2"]) == 0
    assert [step for step, _ in told] == [1, 2, 0] and "losses/L1" in told[0][1]
    assert given["project"] == "emotions" and given["config"]["recipe"] == "cpu_smoke"


def test_probe__counts_labels_of_humans_and_sources_only(dataset_dir: Path) -> None:
    source = open_source(str(dataset_dir), "train", logged())
    assert probe_rows(source, logged()) == []  # all of them are CLIP's
    source.labels["emotion_rule"][0:22] = ["human", "source"] * 11
    assert sorted(probe_rows(source, logged())) == list(range(22))
    assert len(probe_rows(source, logged(probe_column="style", probe_rows=9))) == 9


def test_knn__finds_labels_that_the_features_show(dataset_dir: Path) -> None:
    config = logged(probe_column="style")
    source = open_source(str(dataset_dir), "train", config)
    model = build_model(config.model, teacher_dim=16, seed=0).eval()
    rows = list(range(24)) * 2  # every query has itself in the bank
    close = knn_accuracy(model, config, source, rows)
    for row in range(24):
        source.labels["style"][row] = f"{row % 2}"
    assert close > 0.9
    assert 0.0 <= knn_accuracy(model, config, source, rows[:24]) <= 1.0


def test_run__probes_and_draws_and_trains_as_without(
    trained: Path, tmp_path: Path, smoke_args: list[str]
) -> None:
    from tests.pretrain.train.test_loop import untimed

    run = tmp_path / "RUN"
    options = ["--log.probe_every_epochs", "2", "--log.probe_column", "style"]
    options += ["--log.pictures_every", "6"]
    assert main([*smoke_args, *options, "--out", str(run)]) == 0
    lines = untimed(run)
    assert [line["step"] for line in lines if "knn" in line] == [6, 12]
    assert [{k: v for k, v in x.items() if k != "knn"} for x in lines] == untimed(trained)
    score = json.loads((run / "best" / "state.json").read_text())["score"]
    assert score["name"] == "knn"
    sheet = Image.open(io.BytesIO((run / "pictures" / "step-00000006.png").read_bytes()))
    assert sheet.size == (6 * 64 + 5 * 6, 24 + 6 * 64 + 5 * 6)  # names, rows, gaps


def test_watch__with_a_stream_is_refused() -> None:
    with pytest.raises(ValueError, match=r"set both to 0 with data.streaming"):
        probes.Watch(logged(pictures_every=2), None, Path("RUN"), 1)


def test_plot__compares_runs(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs.png"
    assert main(["plot", str(trained), str(trained), "--out", str(out)]) == 0
    assert Image.open(out).width > 1000


def test_plot__no_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", str(tmp_path), "--out", str(tmp_path / "x.png")]) == 2
    assert "is it a RUN" in capsys.readouterr().err


def test_curve__leaves_out_what_is_not_a_number() -> None:
    lines = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": None}, {"resumed_from": 2, "step": 2}]
    assert curve(lines, "loss") == ([1], [2.0])
    assert smoothed([1.0] * 200) == pytest.approx([1.0] * 200)
    assert smoothed([float(k) for k in range(100)])[-1] == pytest.approx(98.5)


def test_help__names_every_recipe_and_setting_with_what_it_is() -> None:
    told = help.epilog()
    assert all(f"  {name}" in told for name in recipes.RECIPES)
    for name in field_types(PretrainConfig):
        if "." in name:
            assert f"--{name} " in told, name
    for cls in help.SECTIONS.values():
        silent = {f.name for f in dataclasses.fields(cls)} - set(help.comments(cls))
        assert silent <= {"similarity_on", "reconstruction_on"}  # told with the switch before
    assert max(len(line) for line in told.splitlines()) <= 100
