"""What 10 million and a billion links would take, from the numbers in results/speed.

    python -m benchmarks.scale                                  # writes benchmarks/SCALE.md again
    python -m benchmarks.scale --prices core=0.04 gpu=2.5 tb_month=20 tb_out=0

Rates are read from the measured JSON files, growth is fitted to them; what was not measured is an
`Assumption` and stands in a table of its own. `--prices` prints the dollars of today's prices.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from benchmarks.lab.scale_page import render
from benchmarks.lab.speed.growth import Curve, curves
from emo8.core.errors import Emo8Error
from emo8.core.settings import FetchConfig, IngestConfig

RESULTS = Path(__file__).resolve().parents[1] / "results" / "speed"
PAGE = Path(__file__).resolve().parents[1] / "SCALE.md"
SIZES = (10_000_000, 1_000_000_000)
HOUR_S, GB, TB = 3600.0, 1e9, 1e12
EMBEDDING_DIM = 512  # of ViT-B/16 and ViT-B/32


def _told(value: float, unit: str, why: str) -> Any:
    return field(default=value, metadata={"unit": unit, "why": why})


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """What no script of ours has measured; every number derived from one inherits its doubt."""

    arrive: float = _told(
        0.7, "of the links", "links of published lists die by some percent a year"
    )
    keep: float = _told(0.8, "of what arrives", "copies and bad files leave; depends on the source")
    picture_kb: float = _told(100.0, "KB a picture as received", "photographs of about a megapixel")
    gpu_per_s: float = _told(
        1500.0, "pictures/s of ViT-B/16 on one data-centre GPU, decoding included",
        "of the order that inference in half precision reaches; we have not measured it",
    )  # fmt: skip
    line_gbit: float = _told(1.0, "Gbit/s in and out", "one ordinary machine of a data centre")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One line of the plan at one size; a None was not measured yet."""

    name: str
    engine: str
    basis: str  # what the number rests on
    core_h: float | None = 0.0
    gpu_h: float = 0.0
    wall: str = ""  # what else bounds it


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that the page says about one size."""

    links: int
    arrived: int
    kept: int
    stages: tuple[Stage, ...]
    store_tb: float
    out_tb: float
    memory_gb: float | None  # of steps over the whole dataset, in one process, were it not capped
    views_tb: float  # small pictures and vectors compared for copies, on disk

    @property
    def core_h(self) -> float:
        return sum(stage.core_h or 0.0 for stage in self.stages)

    @property
    def gpu_h(self) -> float:
        return sum(stage.gpu_h for stage in self.stages)

    def dollars(self, prices: Mapping[str, float]) -> float:
        """The cost of one month, by prices per core hour, GPU hour, TB and month, TB sent."""
        amounts = {"core": self.core_h, "gpu": self.gpu_h, "tb_month": self.store_tb,
                   "tb_out": self.out_tb}  # fmt: skip
        if unknown := set(prices) - set(amounts):
            raise Emo8Error(f"--prices {', '.join(unknown)}: known are {', '.join(amounts)}")
        return sum(amounts[name] * price for name, price in prices.items())


def read(folder: Path = RESULTS) -> dict[str, Any]:
    """Script -> its numbers, for those that have been measured."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")}


def plan(links: int, found: Mapping[str, Any], assumed: Assumption) -> Plan:
    """Stages, storage and memory for a list of that many links."""
    arrived = round(links * assumed.arrive)
    kept = round(arrived * assumed.keep)
    received = arrived * assumed.picture_kb * 1000
    published = kept * assumed.picture_kb * 1000
    return Plan(
        links=links,
        arrived=arrived,
        kept=kept,
        stages=(
            _fetch(links, received, found, assumed),
            _measure(arrived, found),
            _embed(arrived, found, assumed),
            _label(arrived, found),
            _exact(arrived, found),
            _wide(arrived, found),
            _publish(kept, published, found, assumed),
        ),
        store_tb=(received + published + arrived * _column_bytes()) / TB,
        out_tb=published / TB,
        memory_gb=_memory_gb(links, found),
        views_tb=arrived * _view_bytes() / TB,
    )


def _memory_gb(links: int, found: Mapping[str, Any]) -> float | None:
    """What steps over all rows hold, if they grow on as they grew up to the largest measured."""
    if "global_steps" not in found:
        return None
    told = found["global_steps"]
    last = told["sizes"][-1]
    more = max(0.0, told["kb_per_row"]) * 1024 * max(0, links - last["rows"])
    return float((last["peak_mb"] * 2**20 + more) / GB)


def _fetch(links: int, received: float, found: Mapping[str, Any], assumed: Assumption) -> Stage:
    told = found.get("fetch")
    line_h = received * 8 / (assumed.line_gbit * 1e9) / HOUR_S
    a_host = 1 / FetchConfig().host_delay_s
    return Stage(
        name="fetch",
        engine="img2dataset with our opener, one process a core; `--engine ray` spreads it",
        basis=f"{told['links_per_s']['ours']:,.0f} links/s of {told['processes']} process on "
        f"loopback, {told['links']:,} links" if told else "fetch",
        core_h=links / told["links_per_s"]["ours"] * told["processes"] / HOUR_S if told else None,
        wall=f"{line_h:,.0f} h of one line; {a_host:g} links/s of any one host",
    )  # fmt: skip


def _measure(rows: int, found: Mapping[str, Any]) -> Stage:
    told = _size(found.get("ingest"), "800x600")
    return Stage(
        name="hash, decode, measure",
        engine="Ray or processes, one part a task",
        basis=f"{told['ours_ms']:g} ms of a core at 800x600" if told else "ingest",
        core_h=rows * told["ours_ms"] / 1000 / HOUR_S if told else None,
    )


def _embed(rows: int, found: Mapping[str, Any], assumed: Assumption) -> Stage:
    told = found.get("embed")
    instead = ""
    if told:
        core_h = rows / told["ours_per_s"] * told["cores"] / HOUR_S
        instead = f"or {core_h:,.0f} core hours without a GPU ({told['model']})"
    return Stage(
        name="CLIP embedding",
        engine="Ray actors, one a GPU, the model loaded once",
        basis=f"assumed {assumed.gpu_per_s:g} pictures/s",
        gpu_h=rows / assumed.gpu_per_s / HOUR_S,
        wall=instead,
    )


def _label(rows: int, found: Mapping[str, Any]) -> Stage:
    told = found.get("rebuild")
    return Stage(
        name="label, decide, split, describe",
        engine="Ray or processes, then one process",
        basis=f"{told['prompt']['cpu_s']:g} CPU s after a changed prompt, {told['rows']:,} rows"
        if told else "rebuild",
        core_h=rows * told["prompt"]["cpu_s"] / told["rows"] / HOUR_S if told else None,
    )  # fmt: skip


def _exact(rows: int, found: Mapping[str, Any]) -> Stage:
    drawn = _curves(found, "exact, real") or _curves(found, "exact, random")
    return Stage(
        name="copies, hashes",
        engine="Ray or processes, a task for bands and a shard; comparing pairs is not in this",
        basis=_basis(drawn[0]) if drawn else "duplicates",
        core_h=_grown(drawn[0], 4 * rows) / HOUR_S if drawn else None,  # four views each
    )


def _wide(rows: int, found: Mapping[str, Any]) -> Stage:
    drawn = _curves(found, "wide")
    return Stage(
        name="copies, nearest vectors",
        engine="Ray or processes, a task for some rows; the index is filled by one",
        basis=_basis(drawn[0]) if drawn else "duplicates",
        core_h=_grown(drawn[0], rows) / HOUR_S if drawn else None,
    )


def _publish(rows: int, size: float, found: Mapping[str, Any], assumed: Assumption) -> Stage:
    told = _size(found.get("ingest"), "800x600")
    hours = size * 8 / (assumed.line_gbit * 1e9) / HOUR_S
    return Stage(
        name="write, check, publish",
        engine="processes, then one upload",
        basis=f"every picture decoded once more, {told['decode_pil_ms']:g} ms"
        if told
        else "ingest",
        core_h=rows * told["decode_pil_ms"] / 1000 / HOUR_S if told else None,
        wall=f"{hours:,.0f} h of one line",
    )


def _size(told: Mapping[str, Any] | None, size: str) -> Mapping[str, Any] | None:
    return next((line for line in told["sizes"] if line["size"] == size), None) if told else None


def _curves(found: Mapping[str, Any], start: str) -> list[Curve]:
    if "duplicates" not in found:
        return []
    drawn = curves("duplicates", found["duplicates"])["CPU seconds"]
    return [curve for curve in drawn if curve.name.startswith(start)]


def _grown(curve: Curve, rows: int) -> float:
    """Seconds at `rows`, from the largest measured size on; never grown slower than linearly."""
    return curve.values[-1] * (rows / curve.rows[-1]) ** max(1.0, curve.fit()[0])


def _basis(curve: Curve) -> str:
    return (
        f"{curve.values[-1]:.3g} s for {curve.rows[-1]:,.0f} rows ({curve.name}), "
        f"rows^{max(1.0, curve.fit()[0]):.2f}"
    )


def _view_bytes() -> int:
    """On disk, of a row that is compared for copies."""
    from emo8.duplicates.views import empty_views

    views = empty_views(1, EMBEDDING_DIM)
    return sum(getattr(views, each.name).nbytes for each in fields(views))


def _column_bytes() -> int:
    """Of a row's embedding (float16) and small pictures, uncompressed, in columns/."""
    return 2 * EMBEDDING_DIM + _view_bytes()


def page(found: Mapping[str, Any], assumed: Assumption | None = None) -> str:
    """The whole of SCALE.md."""
    assumed = assumed or Assumption()
    plans = [plan(links, found, assumed) for links in SIZES]
    return render(plans, assumed, found, part_rows=IngestConfig().part_rows)


def main(argv: Sequence[str] | None = None) -> int:
    """0; the page is written."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--prices", nargs="+", metavar="NAME=DOLLARS", default=[],
                        help="core, gpu (an hour), tb_month, tb_out")  # fmt: skip
    arguments = parser.parse_args(argv)
    prices = dict(_price(text) for text in arguments.prices)
    found = read()
    PAGE.write_text(page(found), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
    if prices:
        for links in SIZES:
            told = plan(links, found, Assumption()).dollars(prices)
            sys.stdout.write(f"{links:,} links: {told:,.0f} dollars\n")
    return 0


def _price(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise Emo8Error(f"--prices {text}: write NAME=DOLLARS, for example core=0.04") from None


if __name__ == "__main__":
    sys.exit(main())
