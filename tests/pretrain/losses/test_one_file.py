"""A loss is one file: it is trained, logged, plotted, counted and kept in the run's config."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pretrain import losses
from pretrain.cli import main
from pretrain.config import recipes
from pretrain.config.overrides import override
from pretrain.config.resolve import resolve_losses
from pretrain.config.settings import LossConfig
from pretrain.losses.base import Loss
from pretrain.train.metrics import read_metrics
from pretrain.train.plot import panels
from pretrain.train.progress import flops_per_row

FILE = '''
"""How far the student's features are from unit length."""

from pretrain.losses.base import Loss


def length(output, targets, config, patch_size):
    return (output.student.norm(dim=-1) - 1).square().mean()


LOSS = Loss(name="length", needs=frozenset({"student"}), compute=length, weight=0.5)
'''


@pytest.fixture
def one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file, as if it lay in pretrain/losses."""
    folder = tmp_path / "losses"
    folder.mkdir()
    (folder / "length.py").write_text(FILE)
    monkeypatch.setattr(losses, "__path__", [*losses.__path__, str(folder)])
    losses.registered.cache_clear()
    yield
    sys.modules.pop("pretrain.losses.length", None)
    losses.registered.cache_clear()


def trained(run: Path, smoke_args: list[str], *more: str) -> list[dict]:
    assert main([*smoke_args, "--out", str(run), "--steps", "2", *more]) == 0
    return [line for line in read_metrics(run / "metrics.jsonl") if "losses" in line]


def test_one_file__is_trained_logged_and_plotted(
    one_file: None, tmp_path: Path, smoke_args: list[str]
) -> None:
    lines = trained(tmp_path / "RUN", smoke_args)
    for line in lines:
        assert set(line["losses"]) == {"L1", "L2", "L3", "length"}
        own = sum(line["losses"][name] for name in ("L1", "L2", "L3"))
        assert line["loss"] == pytest.approx(own + 0.5 * line["losses"]["length"], rel=1e-5)
    assert "losses/length" in panels([lines])
    facts = json.loads((tmp_path / "RUN" / "config.json").read_text())
    assert facts["config"]["loss"]["further"] == {"length": 0.5}


def test_one_file__its_weight_is_a_setting(
    one_file: None, tmp_path: Path, smoke_args: list[str]
) -> None:
    lines = trained(tmp_path / "RUN", smoke_args, "--loss.further.length", "0")
    assert set(lines[0]["losses"]) == {"L1", "L2", "L3"}


def test_one_file__what_it_needs_is_computed_and_counted(one_file: None) -> None:
    alone = override(
        recipes.cpu_smoke(), {f"loss.{n}_on": "false" for n in ("contrastive", "similarity")}
    )
    with_it = override(alone, {"loss.further.length": "1"})
    assert losses.needed_outputs(alone.loss) == {"student": False, "pred": True}
    assert losses.needed_outputs(with_it.loss) == {"student": True, "pred": True}
    assert flops_per_row(with_it, 16) > flops_per_row(alone, 16)


def test_one_file__added_later_leaves_a_begun_run_as_it_is(
    tmp_path: Path, smoke_args: list[str], request: pytest.FixtureRequest
) -> None:
    run = tmp_path / "RUN"
    trained(run, smoke_args)
    request.getfixturevalue("one_file")
    assert main([*smoke_args, "--out", str(run), "--steps", "4"]) == 0
    assert set(read_metrics(run / "metrics.jsonl")[-1]["losses"]) == {"L1", "L2", "L3"}
    assert main([*smoke_args, "--out", str(run), "--loss.further.length", "1"]) == 2


def test_further__unknown_name_is_told_with_the_nearest(one_file: None) -> None:
    config = override(recipes.cpu_smoke(), {"loss.further.lenght": "1"})
    with pytest.raises(ValueError, match=r"did you mean --loss\.further\.length\?"):
        resolve_losses(config, losses.further_weights())


def test_loss__of_an_unknown_output_is_refused_at_import() -> None:
    with pytest.raises(ValueError, match="needs 'depth': choose of pred, student"):
        Loss(name="x", needs=frozenset({"depth"}), compute=lambda *_: None)


def test_total__counts_a_further_loss() -> None:
    assert list(LossConfig(further={"A": 2.0, "Z": 0.0}).weights) == ["A", "L1", "L2", "L3"]
