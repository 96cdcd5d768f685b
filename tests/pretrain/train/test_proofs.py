"""What a run must survive without a trace. The slow ones: `pytest -m slow tests/pretrain`."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pretrain.cli import main
from pretrain.data.batches import Batch
from pretrain.train import loop, step
from pretrain.train.metrics import read_metrics
from pretrain.weights import encoder
from tests.pretrain.train.test_loop import KILLED_AT_5, ROOT, assert_same_end, python, untimed
from tests.pretrain.train.test_step import state_and_batch

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node")
ALL_AT_ONCE = [
    *("--optim.accumulate", "2", "--optim.ema", "0.9", "--optim.layer_decay", "0.8"),
    *("--data.batch_size", "4", "--data.num_workers", "2", "--log.pictures_every", "4"),
]
# Rank 1 of two dies by SIGKILL in step 5; as a file, since torchrun starts files
RANK_1_DIES = KILLED_AT_5.replace(
    "if step == 5:", "if step == 5 and os.environ.get('RANK') == '1':"
)


_TINY = [
    *("--model.dim", "192", "--model.depth", "12", "--model.heads", "3"),
    *("--model.patch_size", "16", "--model.image_size", "64"),
]
# encoders of public families, small: CLIP's towers, and rotary ones with registers and without
FAMILIES = {
    "clip": ["--model.pre_norm", "true", "--model.activation", "quick_gelu"],
    "dinov3": ["--model.encoder", "timm:vit_tiny_patch16_dinov3_qkvb", *_TINY],
    "pe": ["--model.encoder", "timm:vit_pe_core_tiny_patch16_384", *_TINY],
}


class Died(BaseException):
    """Stands in for kill -9: nothing catches it."""


def parts(batch: Batch, count: int) -> list[Batch]:
    """The batch cut into micro-batches."""
    size = len(batch.ids) // count
    return [
        Batch(
            ids=batch.ids[k : k + size],
            skipped=[],
            scene=batch.scene[k : k + size],
            person=batch.person[k : k + size],
            scene_noise=batch.scene_noise[k : k + size],
            person_noise=batch.person_noise[k : k + size],
            text_index=batch.text_index[k : k + size],
        )
        for k in range(0, len(batch.ids), size)
    ]


@pytest.mark.parametrize("kind", ["rows", "paired"])
def test_accumulation__gives_losses_and_gradients_of_the_whole_batch(kind: str) -> None:
    found, gradients = [], []
    for count in (1, 2, 4):
        state, batch = state_and_batch()
        object.__setattr__(state.config.loss, "contrastive_kind", kind)
        found.append(step.backward(state, parts(batch, count)))
        gradients.append([p.grad for p in state.model.parameters() if p.grad is not None])
    for other, grads in zip(found[1:], gradients[1:], strict=True):
        for name, value in found[0].items():
            torch.testing.assert_close(other[name], value, atol=1e-5, rtol=1e-4, msg=name)
        for one, two in zip(gradients[0], grads, strict=True):
            torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-3)


def test_accumulation__l1_looks_at_the_texts_of_all_micro_batches() -> None:
    state, batch = state_and_batch()
    own = [step.compute_losses(state, part)["L1"].detach() for part in parts(batch, 4)]
    whole = step.backward(state, parts(batch, 4))["L1"]
    assert abs(float(torch.stack(own).mean()) - float(whole)) > 1e-3


def test_resume__with_workers_accumulation_averages_and_pictures_is_bit_for_bit(
    tmp_path: Path, smoke_args: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert main([*smoke_args, *ALL_AT_ONCE, "--out", str(straight)]) == 0
    kept = loop.step_line

    def dies(number: int, *rest: Any) -> Any:
        if number == 5:
            raise Died
        return kept(number, *rest)

    monkeypatch.setattr(loop, "step_line", dies)
    with pytest.raises(Died):
        main([*smoke_args, *ALL_AT_ONCE, "--out", str(killed)])
    monkeypatch.undo()
    assert main([*smoke_args, *ALL_AT_ONCE, "--out", str(killed)]) == 0
    assert_same_end(straight, killed)
    ema = [(run / "last" / encoder.EMA).read_bytes() for run in (straight, killed)]
    assert ema[0] == ema[1]
    resumed = [x for x in read_metrics(killed / "metrics.jsonl") if "resumed_from" in x]
    assert resumed == [{"resumed_from": 4}]
    assert {p.name for p in (killed / "pictures").iterdir()} == {
        f"step-{number:08d}.png" for number in (4, 8, 12)
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal__saves_exits_0_and_goes_on_bit_for_bit(
    number: signal.Signals,
    trained: Path,
    tmp_path: Path,
    smoke_args: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, kept = tmp_path / "RUN", loop.step_line

    def asked(at: int, *rest: Any) -> Any:
        if at == 5:
            os.kill(os.getpid(), number)
        return kept(at, *rest)

    monkeypatch.setattr(loop, "step_line", asked)
    assert main([*smoke_args, "--out", str(run)]) == 0
    assert f"stopped by {number.name} after step 5, which is saved" in capsys.readouterr().out
    monkeypatch.undo()
    assert main([*smoke_args, "--out", str(run)]) == 0
    assert_same_tensors(trained, run)
    assert untimed(trained) == untimed(run)
    assert {"resumed_from": 5} in read_metrics(run / "metrics.jsonl")


def assert_same_tensors(first: Path, second: Path) -> None:
    for name in (encoder.MODEL, encoder.TRAINING):
        assert (first / "last" / name).read_bytes() == (second / "last" / name).read_bytes(), name


def test_nan_batch__is_skipped_and_its_rows_are_written(
    tmp_path: Path, smoke_args: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, kept = tmp_path / "RUN", step.total_loss
    calls = iter(range(1000))

    def poisoned(*arguments: Any) -> Any:
        total = kept(*arguments)
        return total * float("nan") if next(calls) == 2 else total

    monkeypatch.setattr(step, "total_loss", poisoned)
    assert main([*smoke_args, "--out", str(run), "--steps", "6"]) == 0
    lines = untimed(run)
    assert [line["step"] for line in lines if "skipped_step" in line] == [3]
    assert lines[2]["loss"] is None and all(line["loss"] for line in lines[3:])
    report = json.loads((run / "nonfinite.jsonl").read_text())
    assert report["step"] == 3 and len(report["ids"]) == 8


def test_longer__a_constant_run_is_the_longer_run_from_the_start(
    tmp_path: Path, smoke_args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    schedule = ["--optim.schedule", "constant", "--optim.warmup_steps", "2"]
    schedule += ["--optim.cooldown_share", "0.01"]
    short, long = tmp_path / "short", tmp_path / "long"
    assert main([*smoke_args, *schedule, "--out", str(long), "--steps", "8"]) == 0
    for steps in ("5", "8"):  # the last step of each is its cool-down
        assert main([*smoke_args, *schedule, "--out", str(short), "--steps", steps]) == 0
    assert [x["lr"] for x in untimed(short)][:4] == [x["lr"] for x in untimed(long)][:4]
    assert len(untimed(short)) == 8
    lines = read_metrics(short / "metrics.jsonl")
    assert {"resumed_from": 5, "steps": 8} in lines


def test_resume__on_another_cut_of_the_step_sees_the_same_rows(
    trained: Path, tmp_path: Path, smoke_args: list[str]
) -> None:
    run = tmp_path / "RUN"
    assert main([*smoke_args, "--out", str(run), "--steps", "6"]) == 0
    again = [*smoke_args, "--out", str(run), "--data.batch_size", "4", "--steps", "12"]
    assert main(again) == 0
    facts = json.loads((run / "config.json").read_text())["config"]
    assert (facts["data"]["batch_size"], facts["optim"]["accumulate"]) == (4, 2)
    assert [line["rows"] for line in untimed(run)] == [line["rows"] for line in untimed(trained)]


def test_deterministic__mode_trains(tmp_path: Path, smoke_args: list[str]) -> None:
    try:
        arguments = ["--out", str(tmp_path / "RUN"), "--system.deterministic", "true"]
        assert main([*smoke_args, *arguments, "--steps", "2"]) == 0
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


# Slow ----------------------------------------------------------------------------------------


def torchrun(ranks: int, *arguments: str, script: Path | None = None) -> Any:
    module = ("-m", "pretrain.cli") if script is None else (str(script),)
    return python(*TORCHRUN, str(ranks), *module, *arguments)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_two_ranks__killed_and_resumed_are_bit_for_bit(
    tmp_path: Path, smoke_args: list[str]
) -> None:
    arguments = [*smoke_args, "--data.batch_size", "4", "--optim.ema", "0.9"]
    script = tmp_path / "dies.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n" + RANK_1_DIES)
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert torchrun(2, *arguments, "--out", str(straight)).returncode == 0
    died = torchrun(2, *arguments, "--out", str(killed), script=script)
    assert died.returncode != 0 and len(untimed(killed)) >= 4
    done = torchrun(2, *arguments, "--out", str(killed))
    assert done.returncode == 0, done.stderr[-3000:]
    assert_same_end(straight, killed)
    assert {"resumed_from": 4} in read_metrics(killed / "metrics.jsonl")
    random_states = load_file(killed / "last" / encoder.TRAINING)
    assert not torch.equal(random_states["rng/cpu/0"], random_states["rng/cpu/1"])


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_two_ranks__one_that_hangs_ends_both_with_a_word(
    tmp_path: Path, smoke_args: list[str]
) -> None:
    script = tmp_path / "hangs.py"
    hangs = RANK_1_DIES.replace(
        "os.kill(os.getpid(), signal.SIGKILL)", "import time; time.sleep(900)"
    )
    script.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n" + hangs)
    arguments = [*smoke_args, "--data.batch_size", "4", "--system.timeout_s", "20"]
    done = torchrun(2, *arguments, "--out", str(tmp_path / "RUN"), script=script)
    assert done.returncode != 0
    assert "waited in vain for the others" in done.stderr or "Timeout (0:00:20)" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_two_ranks__resumed_by_one_go_on_as_one_would(
    tmp_path: Path, smoke_args: list[str]
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    first = [*smoke_args, "--steps", "6"]
    assert main([*first, "--out", str(one)]) == 0
    done = torchrun(2, *first, "--data.batch_size", "4", "--out", str(two))
    assert done.returncode == 0, done.stderr[-3000:]
    for run in (one, two):
        assert main([*smoke_args, "--out", str(run)]) == 0
    for single, double in zip(untimed(one), untimed(two), strict=True):
        assert single["rows"] == double["rows"] and single["lr"] == double["lr"]
        assert single["loss"] == pytest.approx(double["loss"], abs=1e-3)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("recompute", ["false", "true"])
def test_fsdp__equals_ddp_and_both_take_over_from_each_other(
    recompute: str, tmp_path: Path, smoke_args: list[str]
) -> None:
    runs = {}
    common = ["--data.batch_size", "4", "--optim.ema", "0.9", "--optim.accumulate", "2"]
    for kind in ("ddp", "fsdp"):
        run = runs[kind] = tmp_path / kind
        options = ["--system.parallel", kind, "--system.recompute", recompute]
        for steps in ("4", "8"):  # the second start resumes, the other way for fsdp -> ddp below
            arguments = [*smoke_args, *common, *options, "--out", str(run), "--steps", steps]
            done = torchrun(2, *arguments)
            assert done.returncode == 0, done.stderr[-3000:]
    for one, two in zip(untimed(runs["ddp"]), untimed(runs["fsdp"]), strict=True):
        assert one["rows"] == two["rows"]
        assert one["loss"] == pytest.approx(two["loss"], abs=1e-4)
        assert one["grad_norm"] == pytest.approx(two["grad_norm"], rel=1e-3)
    for name in (encoder.MODEL, encoder.EMA):
        weights = [load_file(run / "last" / name) for run in runs.values()]
        for key, value in weights[0].items():
            torch.testing.assert_close(value, weights[1][key], atol=2e-4, rtol=1e-3, msg=key)
    # the sharded run goes on as a single process
    arguments = [*smoke_args, *common, "--out", str(runs["fsdp"]), "--steps", "9"]
    assert main(arguments) == 0


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("family", FAMILIES)
def test_families__compiled_and_sharded_runs_equal_a_plain_one(
    family: str, tmp_path: Path, smoke_args: list[str]
) -> None:
    ways = {
        "ddp": ["--system.parallel", "ddp"],
        "fsdp": ["--system.parallel", "fsdp"],
        "compiled": ["--system.compile", "true"],
    }
    found = {}
    for way, options in ways.items():
        run = tmp_path / way
        arguments = [*smoke_args, *FAMILIES[family], *options, "--data.batch_size", "4"]
        done = torchrun(2, *arguments, "--out", str(run), "--steps", "3")
        assert done.returncode == 0, done.stderr[-3000:]
        found[way] = untimed(run)
    for one, two, three in zip(*found.values(), strict=True):
        assert one["rows"] == two["rows"] == three["rows"]
        assert one["loss"] == pytest.approx(two["loss"], abs=1e-3)
        assert one["loss"] == pytest.approx(three["loss"], abs=1e-3)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_compiled__equals_eager(trained: Path, tmp_path: Path, smoke_args: list[str]) -> None:
    run = tmp_path / "RUN"
    assert main([*smoke_args, "--out", str(run), "--system.compile", "true"]) == 0
    for one, two in zip(untimed(trained), untimed(run), strict=True):
        assert one["loss"] == pytest.approx(two["loss"], abs=1e-3)
    names = [load_file(r / "last" / encoder.MODEL).keys() for r in (trained, run)]
    assert names[0] == names[1]


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_ctrl_c__reaches_loaders_too_and_the_run_ends_well(
    tmp_path: Path, smoke_args: list[str]
) -> None:
    run = tmp_path / "RUN"
    arguments = [*smoke_args, "--out", str(run), "--data.num_workers", "2", "--steps", "2000"]
    process = start(*arguments)
    wait_for_steps(run, 3)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 0, err[-3000:]
    assert "stopped by SIGINT" in out and "Traceback" not in err


def start(*arguments: str) -> subprocess.Popen[str]:
    """The command in a process group of its own, as a terminal starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "pretrain.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_steps(run: Path, count: int) -> None:
    for _ in range(1200):
        if (run / "metrics.jsonl").exists() and len(untimed(run)) >= count:
            return
        time.sleep(0.1)
    raise AssertionError(f"no {count} steps in {run}")


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_chaos__twenty_kills_at_random_moments_change_nothing(
    tmp_path: Path, dataset_dir: Path, teacher_name: str
) -> None:
    views = tmp_path / "views.safetensors"
    teacher = ["--teacher.name", teacher_name]
    cache = ["cache", str(dataset_dir), "--out", str(views), "--recipe", "cpu_smoke", *teacher]
    assert main(cache) == 0
    # a checkpoint after every step: about half of the kills fall into the writing of one
    arguments = ["pretrain", "cpu_smoke", "--data", str(views), *teacher, "--steps", "400"]
    arguments += ["--system.save_every", "1", "--optim.ema", "0.99"]
    straight, chaos = tmp_path / "straight", tmp_path / "chaos"
    assert main([*arguments, "--out", str(straight)]) == 0
    moments = random.Random(0)
    kills, writing = 0, 0
    while kills < 20:
        process = start(*arguments, "--out", str(chaos))
        before = len(untimed(chaos))
        for _ in range(600):
            if len(untimed(chaos)) != before or process.poll() is not None:
                break
            time.sleep(0.05)
        time.sleep(moments.uniform(0, 0.6))
        writing += (chaos / ".saving").exists()
        if process.poll() is None:
            process.kill()
            kills += 1
        process.communicate()
        if (chaos / "last" / encoder.STATE).exists():
            reached = json.loads((chaos / "last" / encoder.STATE).read_text())["step"]
            assert reached < 400, "the run ended before its twenty kills: give it more steps"
    assert main([*arguments, "--out", str(chaos)]) == 0
    assert_same_end(straight, chaos)
    assert writing > 0
