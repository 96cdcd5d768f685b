"""`uniemox plan`: what is counted is right, what is computed follows its formula."""

import json
from pathlib import Path

import pytest

from pretrain import expectation, plan
from pretrain.cli import main
from pretrain.config import recipes

ROOT = Path(__file__).resolve().parents[2]


def planned(dataset_dir: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict:
    arguments = ["plan", "--data", str(dataset_dir), "--recipe", "cpu_smoke", "--json"]
    assert main([*arguments, "--device", "H100", *more]) == 0
    return json.loads(capsys.readouterr().out)


def test_plan__counts_the_data(dataset_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = planned(dataset_dir, capsys)["data"]
    assert (data["pictures"], data["with_person_box"], data["duplicates"]) == (24, 8, 0)
    assert data["texts"]["distinct"] == 24 and data["texts"]["without"] == 0
    assert data["also_in"] == {"val": 0, "test": 0}


def test_plan__follows_its_formulas(dataset_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = planned(
        dataset_dir,
        capsys,
        "--price-per-hour",
        "3",
        "--system.precision",
        "bf16",
        "--steps",
        "10000000",
    )["run"]
    assert run["pictures_seen"] == 10**7 * 8 and run["tflops"] == 989.0
    seconds = run["pictures_seen"] * run["gflop_per_picture"] / 1e3 / (run["tflops"] * plan.MFU)
    assert run["hours"] == pytest.approx(seconds / 3600, rel=0.01)
    assert run["price"] == pytest.approx(3 * run["hours"], abs=0.01)


def test_plan__of_a_cpu_times_steps_and_advises(
    dataset_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--data", str(dataset_dir), "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    assert "recipe   cpu_demo: a CPU" in told and "by a few steps" in told


def test_plan__promises_nothing_outside_of_what_was_measured() -> None:
    for recipe in (recipes.study_ti8(), recipes.cpu_demo()):
        inside = expectation.expectation(recipe, 64_000, 14_000)
        low, high = inside["interval"]
        assert 0.15 < low < inside["teacher_variance_explained"] < high < 0.55
        assert f"({low:.2f} to {high:.2f})" in expectation.told(inside)
    for config, seen in ((recipes.study_ti8(), 10**7), (recipes.b16(), 64_000)):
        found = expectation.expectation(config, seen, 14_000)
        assert found["teacher_variance_explained"] is None and "no figure" in found["how_sure"]


@pytest.mark.parametrize("arm", expectation.ALL)
def test_plan__curves_are_those_of_the_study(arm: str) -> None:
    folder = ROOT / "benchmarks" / "results" / "learning"
    found = expectation.ALL[arm].curves
    assert len(found) == len(list(folder.glob(f"{arm}-seed*.json")))
    for seed, curve in found.items():
        points = json.loads((folder / f"{arm}-seed{seed}.json").read_text("utf-8"))["points"]
        assert curve == tuple((p["steps"], round(p["pictures_explained"], 3)) for p in points)


def test_plan__unknown_device_lists_the_known(
    dataset_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--data", str(dataset_dir), "--device", "TPU"]) == 2
    assert "H100" in capsys.readouterr().err
