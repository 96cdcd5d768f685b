"""The plan for many links is arithmetic on measured numbers, and the page shows no others."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.lab import scale
from benchmarks.lab.scale import Assumption, plan
from emo8.core.errors import Emo8Error

MACHINE = {"machine": {"cpu": "Abacus", "cores": 2, "load_1min": 3.0}}
FOUND: dict[str, dict[str, Any]] = {
    "fetch": {"links_per_s": {"ours": 1000.0}, "processes": 1, "links": 3000, **MACHINE},
    "ingest": {"sizes": [{"size": "800x600", "ours_ms": 3.6, "decode_pil_ms": 1.8}], **MACHINE},
    "embed": {"ours_per_s": 10.0, "cores": 2, "model": "ViT-B-32"},
    "rebuild": {"rows": 1000, "prompt": {"cpu_s": 36.0}},
    "memory": {
        "sizes": [{"rows": 10, "seconds": 1.0, "main_mb": 1.0, "worker_mb": 1.0},
                  {"rows": 100_000, "seconds": 3600.0, "main_mb": 1.0, "worker_mb": 1.0}],
        "main_kb_per_row": 1.0,
        "time_exponent": 1.1,
    },
    "global_steps": {
        "sizes": [{"rows": 1000, "cpu_s": 1.0, "peak_mb": 300.0},
                  {"rows": 200_000, "cpu_s": 5.0, "peak_mb": 500.0}],
        "kb_per_row": 1.0,
        "memory": "512MB",
    },
    "duplicates": {
        "exact": {
            "random": {"runs": [{"rows": 1e5, "seconds": 0.9}, {"rows": 1e6, "seconds": 6.0}]}
        },
        "wide": {"runs": [{"rows": 1e4, "seconds": 1.0}, {"rows": 1e6, "seconds": 1000.0}]},
        "peers": [],
    },
}  # fmt: skip
ALL = Assumption(arrive=1.0, keep=0.5, picture_kb=100.0, gpu_per_s=1000.0, line_gbit=1.0)


def test_plan__is_the_measured_rate_times_the_rows() -> None:
    told = plan(1_000_000, FOUND, ALL)
    hours = {stage.name: stage.core_h for stage in told.stages}
    assert hours["fetch"] == pytest.approx(1000 / 3600)
    assert hours["hash, decode, measure"] == pytest.approx(1.0)
    assert hours["label, decide, split, describe"] == pytest.approx(10.0)
    assert hours["write, check, publish"] == pytest.approx(0.25)
    # four hashes a picture; an exponent below one is not believed beyond what was measured
    assert hours["copies, hashes"] == pytest.approx(24.0 / 3600)
    assert hours["copies, nearest vectors"] == pytest.approx(1000 / 3600)
    assert told.gpu_h == pytest.approx(1000 / 3600)
    assert told.memory_gb == pytest.approx((500 * 2**20 + 800_000 * 1024) / 1e9)
    assert told.out_tb == pytest.approx(0.05)
    assert told.kept == 500_000 and told.store_tb > 0.15


def test_plan__grows_with_the_fitted_exponent() -> None:
    (small,) = [
        s for s in plan(1_000_000, FOUND, ALL).stages if s.name == "copies, nearest vectors"
    ]
    (large,) = [
        s for s in plan(4_000_000, FOUND, ALL).stages if s.name == "copies, nearest vectors"
    ]
    assert large.core_h == pytest.approx(8 * (small.core_h or 0))  # 4 ** 1.5


def test_dollars__follow_the_prices() -> None:
    told = plan(1_000_000, FOUND, ALL)
    assert told.dollars({"core": 2.0, "tb_out": 100.0}) == pytest.approx(2 * told.core_h + 5.0)
    with pytest.raises(Emo8Error, match="cores"):
        told.dollars({"cores": 1.0})


def test_page__names_what_was_not_measured_and_what_is_assumed() -> None:
    text = scale.page({"fetch": FOUND["fetch"]}, ALL)
    assert "not measured: benchmarks.speed.duplicates" in text
    assert "its memory was not measured yet" in text and "| `arrive` | 1 of the links |" in text
    whole = scale.page(FOUND, ALL)
    assert "not measured" not in whole.replace("## Assumed, not measured", "").replace(
        ALL.__dataclass_fields__["gpu_per_s"].metadata["why"], ""
    )
    assert "holds 500 MB at most, 1 KB a row more than for 1,000 rows" in " ".join(whole.split())
    assert "10.6 GB for 10,000,000" in whole
    assert "Measured on: Abacus, 2 cores." in whole


def test_page__committed_is_what_the_numbers_give() -> None:
    assert scale.PAGE.read_text("utf-8") == scale.page(scale.read()), (
        "run python -m benchmarks.scale"
    )


def test_price__that_is_no_number_is_named() -> None:
    with pytest.raises(Emo8Error, match="core=cheap"):
        scale.main(["--prices", "core=cheap"])
