"""Whole runs: resume bit for bit, refuse what does not belong, several processes equal to one."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from emo8.publish.audit import audit
from pretrain.cli import main
from pretrain.config import recipes
from pretrain.train import checkpoints, run_folder
from pretrain.train.metrics import read_metrics
from pretrain.train.parallelize import World
from pretrain.weights import encoder

WORLD = World(rank=0, size=1, device=torch.device("cpu"))
ROOT = Path(__file__).parents[3]
# Runs the command, but dies by SIGKILL in step 5, after its update and before its log line.
KILLED_AT_5 = """
import os, signal, sys
from pretrain.train import loop as train
kept = train.step_line
def dies(step, *rest):
    if step == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return kept(step, *rest)
train.step_line = dies
from pretrain.cli import main
main(sys.argv[1:])
"""


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def untimed(run: Path) -> list[dict[str, Any]]:
    """The steps of a run without their timings."""
    lines = [line for line in read_metrics(run / "metrics.jsonl") if "step" in line]
    return [{key: value for key, value in line.items() if key != "timing"} for line in lines]


def assert_same_end(first: Path, second: Path) -> None:
    for name in (encoder.MODEL, encoder.TRAINING, encoder.STATE):
        assert (first / "last" / name).read_bytes() == (second / "last" / name).read_bytes(), name
    assert untimed(first) == untimed(second)


def test_resume__after_kill_9_is_bit_for_bit(
    trained: Path, tmp_path: Path, smoke_args: list[str]
) -> None:
    run = tmp_path / "RUN"
    died = python("-c", KILLED_AT_5, *smoke_args, "--out", str(run))
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert [line["step"] for line in untimed(run)] == [1, 2, 3, 4]
    assert main([*smoke_args, "--out", str(run)]) == 0
    assert_same_end(trained, run)
    resumed = [line for line in read_metrics(run / "metrics.jsonl") if "resumed_from" in line]
    assert resumed in ([{"resumed_from": 4}], [{"resumed_from": 2}])  # 2: 4 was being written


def test_resume__forgets_steps_after_the_checkpoint(
    trained: Path, tmp_path: Path, smoke_args: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pretrain.train import loop

    run, kept = tmp_path / "RUN", loop.step_line

    def stops(step: int, *rest: Any) -> dict[str, Any]:
        if step == 8:
            raise KeyboardInterrupt
        return kept(step, *rest)

    monkeypatch.setattr(loop, "step_line", stops)
    assert main([*smoke_args, "--out", str(run), "--system.save_every", "6"]) == 130
    assert len(untimed(run)) == 7
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 8, "loss"')  # cut off by the kill
    monkeypatch.undo()
    assert main([*smoke_args, "--out", str(run)]) == 0
    assert untimed(run) == untimed(trained)


def test_resume__damaged_checkpoint_gives_way_to_the_previous(
    trained: Path, tmp_path: Path, smoke_args: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "RUN"
    assert main([*smoke_args, "--out", str(run)]) == 0
    weights = run / "last" / encoder.MODEL
    weights.write_bytes(weights.read_bytes()[:-100])
    assert main([*smoke_args, "--out", str(run)]) == 0
    assert f"{weights} is not the file that was saved" in caplog.text
    assert_same_end(trained, run)


def test_finished_run__does_nothing(
    tmp_path: Path, smoke_args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*smoke_args, "--out", str(tmp_path / "RUN"), "--steps", "2"]
    assert main(arguments) == 0
    before = (tmp_path / "RUN" / "metrics.jsonl").read_bytes()
    assert main(arguments) == 0
    assert "already finished" in capsys.readouterr().out
    assert (tmp_path / "RUN" / "metrics.jsonl").read_bytes() == before


def test_metrics__hold_what_the_contract_names(trained: Path) -> None:
    lines = read_metrics(trained / "metrics.jsonl")
    assert [line["step"] for line in lines] == list(range(1, 13))
    for line in lines:
        assert set(line["losses"]) == {"L1", "L2", "L3"}
        assert line["loss"] == pytest.approx(sum(line["losses"].values()), rel=1e-5)
        assert line["lr"] >= 0 and len(line["rows"]) == 16
        assert {"data_s", "step_s", "images_s"} <= set(line["timing"])


def test_config_json__resolves_everything(trained: Path, dataset_dir: Path) -> None:
    facts = json.loads((trained / "config.json").read_text())
    assert facts["config"]["recipe"] == "cpu_smoke"
    assert facts["config"]["teacher"]["features"] == "live"
    assert facts["dataset"]["rows"] == 24
    assert len(facts["dataset"]["fingerprint"]) == len(facts["teacher"]["sha256"]) == 64
    assert {"torch", "timm", "safetensors"} <= set(facts["packages"])


def test_run__names_no_folder_of_the_machine_it_was_trained_on(
    trained: Path, dataset_dir: Path
) -> None:
    facts = json.loads((trained / "config.json").read_text())
    assert dataset_dir.is_absolute() and facts["dataset"]["data"] == "dataset"
    assert facts["teacher"]["name"] == facts["config"]["teacher"]["name"] == "local-dir:clip0"
    assert audit(trained, [str(trained), str(dataset_dir.parent)]) == []
    folder = str(dataset_dir.parent.parent).encode()  # no scan of ours
    for path in trained.rglob("*"):
        assert path.is_dir() or folder not in path.read_bytes(), path


def test_other_settings__are_refused_by_name(
    trained: Path, smoke_args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*smoke_args, "--out", str(trained), "--optim.lr", "1.0"]) == 2
    assert "config.optim.lr: 0.00015 before, 1.0 now" in capsys.readouterr().err


def test_foreign_folder__is_refused(
    tmp_path: Path, smoke_args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    assert main([*smoke_args, "--out", str(tmp_path)]) == 2
    assert "thesis.tex" in capsys.readouterr().err


def test_killed_at_its_first_file__the_same_command_begins(
    tmp_path: Path, smoke_args: list[str]
) -> None:
    (tmp_path / ".config.json.7.partial").write_text("{")
    assert main([*smoke_args, "--out", str(tmp_path)]) == 0


def test_nan_loss__stops_and_keeps_the_checkpoint(
    tmp_path: Path, smoke_args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "RUN"
    assert main([*smoke_args, "--out", str(run), "--optim.lr", "1e30"]) == 2
    assert "--optim.lr" in capsys.readouterr().err
    if (run / "last").exists():
        assert checkpoints.damage(run / "last") is None


def test_two_processes__equal_one(tmp_path: Path, smoke_args: list[str]) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert main([*smoke_args, "--out", str(one), "--steps", "3"]) == 0
    done = python(
        *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "pretrain.cli", *smoke_args, "--out", str(two), "--steps", "3"),
        *("--data.batch_size", "4"),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for single, double in zip(untimed(one), untimed(two), strict=True):
        assert single["rows"] == double["rows"]
        assert single["losses"]["L1"] == pytest.approx(double["losses"]["L1"], abs=1e-4)
        assert single["losses"]["L3"] == pytest.approx(double["losses"]["L3"], abs=1e-3)
    weights = (load_file(run / "last" / encoder.MODEL) for run in (one, two))
    for name, pair in zip(("mae.cls_token",), zip(*(w.values() for w in weights)), strict=False):
        torch.testing.assert_close(*pair, atol=1e-4, rtol=0, msg=name)


def test_resume__a_run_made_before_settings_and_recipe_names_changed(
    tmp_path: Path, smoke_args: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's config lacks what is new and has the recipe's old name; its id is not in it."""
    run, whole = tmp_path / "RUN", tmp_path / "WHOLE"
    monkeypatch.setitem(recipes.RENAMED, "smoke", "cpu_smoke")
    assert main([*smoke_args, "--out", str(whole), "--steps", "4"]) == 0
    assert main([*smoke_args, "--out", str(run), "--steps", "2"]) == 0
    path = run / "config.json"
    facts = json.loads(path.read_text())
    del facts["run"], facts["config"]["loss"]["further"], facts["config"]["loss"]["norm_pix"]
    facts["config"]["recipe"] = "smoke"
    path.write_text(json.dumps(facts))
    old_id = run_folder.read_facts(run)["run"]
    state = json.loads((run / "last" / "state.json").read_text())
    (run / "last" / "state.json").write_text(json.dumps({**state, "run": old_id}))
    arguments = [*smoke_args, "--out", str(run), "--steps", "4", "--optim.warmup_steps", "1"]
    assert main(arguments) == 2  # a setting that did change is still told
    arguments = [smoke_args[0], "smoke", *smoke_args[2:], "--out", str(run), "--steps", "4"]
    assert main(arguments) == 0
    assert len([line for line in read_metrics(run / "metrics.jsonl") if "loss" in line]) == 4


def test_second_start__is_told_while_the_first_holds_the_run(
    tmp_path: Path, smoke_args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "RUN"
    with run_folder.held(run, WORLD):
        assert main([*smoke_args, "--out", str(run)]) == 2
        assert f"in use: process {os.getpid()}" in capsys.readouterr().err
    assert not (run / "metrics.jsonl").exists()
    assert main([*smoke_args, "--out", str(run), "--steps", "1"]) == 0


def test_damaged_config__is_named(
    tmp_path: Path, smoke_args: list[str], trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "RUN"
    shutil.copytree(trained, run)
    whole = (run / "config.json").read_text()
    for content in (whole[: len(whole) // 2], "{}", "[]", '{"config": {"seed": []}}'):
        (run / "config.json").write_text(content)
        assert main([*smoke_args, "--out", str(run)]) == 2
        assert f"{run / 'config.json'} is damaged" in capsys.readouterr().err


def test_refused__folders_are_left_as_they_were_found(
    trained: Path, tmp_path: Path, smoke_args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere, other = tmp_path / "new", tmp_path / "other"
    assert main(["pretrain", "cpu_smoke", "--data", "nosuch", "--out", str(nowhere)]) == 2
    assert not nowhere.exists()
    shutil.copytree(trained, other, ignore=shutil.ignore_patterns("cache", ".lock*"))
    before = sorted(other.rglob("*"))
    assert main([*smoke_args, "--out", str(other), "--seed", "77"]) == 2
    assert "holds another run" in capsys.readouterr().err
    assert sorted(other.rglob("*")) == before
