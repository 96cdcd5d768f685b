"""The demo's `report.html`: one self-contained page from files that the demo's commands wrote."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core.taxonomy import STYLES
from emo8.core.version import __version__
from emo8.engine.files import write_text
from emo8.report import figures, sample_grid

PRETRAINED, UNTRAINED = "pretrained", "same encoder, untrained"


def write_report(out: Path, checks: list[tuple[str, bool, str]], *, folds: int) -> None:
    """Write `out/report.html`."""
    stats = json.loads((out / "build" / "report" / "stats.json").read_text())
    table = read_dataset(out / "build" / "dataset")
    steps = _json_lines(out / "pretrain" / "metrics.jsonl")
    steps = [line for line in steps if "step" in line]
    results = [
        {**line, "label": _label(line["model"])} for line in _json_lines(out / "results.jsonl")
    ]
    passed = all(ok for _, ok, _ in checks)
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        (files("cards") / "demo_report.html").read_text(encoding="utf-8")
    )
    images = {
        "grid": sample_grid.draw(out / "build" / "dataset"),
        "funnel": figures.funnel(stats["funnel"]),
        "confidence": figures.confidence(_prob_by_style(table)),
        "losses": figures.curves(_loss_lines(steps), "step"),
        "reconstructions": (out / "pretrain" / "show.png").read_bytes(),
        "results": figures.intervals([_interval(line) for line in results], "accuracy"),
    }
    text = page.render(
        passed=passed,
        verdict="All of it worked." if passed else "Not all of it worked; see below.",
        checks=checks,
        stats=stats,
        images={name: figures.data_uri(data) for name, data in images.items()},
        evaluation=json.loads((out / "pretrain" / "evaluation.json").read_text()),
        num_steps=len({line["step"] for line in steps}),
        results=results,
        num_labelled=results[0]["n"],
        baselines=results[0]["baselines"],
        comparison=compare(results),
        folds=folds,
        version=__version__,
    )
    write_text(out / "report.html", text)


def read_dataset(dataset: Path) -> pa.Table:
    """Every row of a dataset folder, splits together."""
    return pa.concat_tables(
        pq.read_table(path) for path in sorted(dataset.glob("data/*/*.parquet"))
    )


def compare(results: list[dict[str, Any]]) -> str:
    """One plain sentence per protocol: did pretraining help, as far as these pictures can tell?"""
    sentences = []
    for protocol in dict.fromkeys(line["protocol"] for line in results):
        rows = {line["label"]: line for line in results if line["protocol"] == protocol}
        after, before = rows[PRETRAINED], rows[UNTRAINED]
        gain = after["metrics"]["accuracy"] - before["metrics"]["accuracy"]
        low, high = after["interval95"]["accuracy"][0], before["interval95"]["accuracy"][1]
        clear = "the intervals do not overlap" if low > high else "the intervals overlap"
        sentences.append(
            f"{protocol}: pretraining changes accuracy by {gain:+.3f} over the untrained encoder "
            f"({clear})."
        )
    return " ".join(sentences)


def _label(model: str) -> str:
    if model.startswith("random:"):
        return UNTRAINED
    if model == "embedded":
        return "embedded CLIP, image tower"
    return "16 x 16 raw pixels" if model.startswith("pixels:") else PRETRAINED


def _prob_by_style(table: pa.Table) -> dict[str, np.ndarray]:
    style = table["style"].to_numpy()
    prob = np.stack(table["emotion_prob"].to_pylist())
    return {name: prob[style == number] for number, name in enumerate(STYLES)}


def _loss_lines(steps: list[dict[str, Any]]) -> dict[str, tuple[list[float], list[float]]]:
    at = [line["step"] for line in steps]
    return {name: (at, [line["losses"][name] for line in steps]) for name in ("L1", "L2", "L3")}


def _interval(line: dict[str, Any]) -> tuple[str, float, float, float]:
    low, high = line["interval95"]["accuracy"]
    return f"{line['label']}, {line['protocol']}", line["metrics"]["accuracy"], low, high


def _json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
