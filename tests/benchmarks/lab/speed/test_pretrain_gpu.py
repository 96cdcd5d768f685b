"""The script for a GPU, on a CPU with a tiny model."""

import json
from pathlib import Path

import pytest

from benchmarks.lab.speed import pretrain_gpu
from tests.pretrain.conftest import dataset_dir, teacher_name  # noqa: F401  fixtures


def line(step: int, data_s: float) -> dict[str, object]:
    timing = {"data_s": data_s, "step_s": 0.9, "save_s": 0.1, "images_s": 8.0, "mfu": 0.4}
    return {"step": step, "timing": timing}


def test_summary__leaves_the_first_steps_of_each_start_out() -> None:
    slow, fast = 50.0, 1.0
    lines = [line(1, slow), line(2, fast), {"resumed_from": 2}, line(3, slow), line(4, fast)]
    found = pretrain_gpu.summary(lines, warm_up=1)
    assert found["steps"] == 2 and found["mfu"] == 0.4 and found["memory_mib"] is None
    assert found["data_wait_share"] == pytest.approx(0.5)
    assert found["save_share"] == pytest.approx(0.05)


@pytest.mark.slow
def test_script__kills_resumes_and_writes_its_numbers(
    tmp_path: Path,
    dataset_dir: Path,  # noqa: F811
    teacher_name: str,  # noqa: F811
) -> None:
    from pretrain.cli import main

    views, out = tmp_path / "views.safetensors", tmp_path / "result.json"
    teacher = ["--teacher.name", teacher_name]
    arguments = ["cache", str(dataset_dir), "--out", str(views), "--recipe", "cpu_smoke", *teacher]
    assert main(arguments) == 0
    script = ["--data", str(views), "--recipe", "cpu_smoke", "--minutes", "0.05", "--out", str(out)]
    script += ["--least-steps", "5", "--steps", "100000", "--log.peak_tflops", "1", *teacher]
    assert pretrain_gpu.main(script) == 0
    found = json.loads(out.read_text())
    assert found["exit_code_after_sigterm"] == 0 and found["steps_in_order"]
    assert len(found["resumed_from"]) == 1
    assert 0 < found["resumed_from"][0] <= found["killed_after_step"] + 2
    assert found["images_s"] > 0 and 0 <= found["data_wait_share"] < 1 and found["mfu"] > 0
