"""A step that was not finite is kept and computed again."""

from pathlib import Path
from typing import Any

import pytest

from pretrain.cli import main
from pretrain.train import replay, step


def test_replay__names_the_first_number_that_is_none(
    tmp_path: Path, smoke_args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "RUN"
    assert main([*smoke_args, "--out", str(run), "--optim.lr", "1e30"]) == 2
    assert main(["replay", str(run)]) == 0
    told = capsys.readouterr().out
    assert "fp32: " in told and "first not finite: " in told
    kept = list((run / replay.FOLDER).iterdir())
    assert 1 <= len(kept) <= replay.KEPT


def test_replay__computes_the_same_losses_as_the_run(
    tmp_path: Path, smoke_args: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, kept = tmp_path / "RUN", step.total_loss
    seen: list[dict[str, float]] = []

    def poisoned(losses: Any, config: Any) -> Any:
        seen.append({name: float(value) for name, value in losses.items()})
        return kept(losses, config) * (float("nan") if len(seen) == 3 else 1.0)

    monkeypatch.setattr(step, "total_loss", poisoned)
    assert main([*smoke_args, "--out", str(run), "--steps", "4"]) == 0
    monkeypatch.setattr(step, "total_loss", kept)
    found = replay.replay(run, step=3)["tried"]["fp32"]
    assert found["not_finite"] == []  # the numbers were no cause: something outside of the step was
    for name, value in seen[2].items():
        assert found["losses"][name] == pytest.approx(value, abs=1e-6)


def test_replay__nothing_kept_is_said(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(trained)]) == 2
    assert "no step to replay" in capsys.readouterr().err
    (tmp_path / replay.FOLDER).mkdir()
    (tmp_path / replay.FOLDER / "step-00000001-rank0.safetensors").write_bytes(b"no")
    assert main(["replay", str(tmp_path)]) == 2
