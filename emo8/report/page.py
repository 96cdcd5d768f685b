"""`emo8 report`: everything the numbers of a build say about its labels, as JSON, PNG and one page.

Writes `BUILD/report/report.json`, the figures beside it, `samples/STYLE-EMOTION.png`, and
`report.html`, which holds its figures and can be mailed.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from emo8.core import label_set
from emo8.core.version import __version__
from emo8.engine.build_folder import read_json
from emo8.engine.files import write_text
from emo8.engine.verdict_table import VERDICTS
from emo8.labels import calibration
from emo8.labels.clip.calibrate import entropy
from emo8.report import contact_sheet, figures, sample_grid
from emo8.report.contact_sheet import Group, Layout, Tile
from emo8.review import sheets as review
from emo8.review.final_labels import parsed
from emo8.review.report import vote_report

TILES_PER_SHEET = 12
LAYOUT = Layout(tile_px=150, columns=6, text_lines=3)
NUM_AMBIGUOUS = 18
_NAMES = {label_set.NO_STYLE: "no style"}
_CLAIMS = (("source", "clip"), ("human", "clip"), ("human", "source"))


def write(build: Path) -> dict[str, Any]:
    """Write the report of a build; its numbers come back."""
    rows = review.claims_table(build)
    numbers = summary(build, rows)
    pictures = draw(build, rows, numbers)
    folder = build / "report"
    for old in (folder / "samples").glob("*.png"):
        old.unlink()
    for name, data in pictures.items():
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    write_text(folder / "report.json", json.dumps(numbers, indent=1) + "\n")
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        (files("cards") / "build_report.html").read_text(encoding="utf-8")
    )
    images = {name: figures.data_uri(data) for name, data in pictures.items() if "/" not in name}
    samples = sorted(name for name in pictures if "/" in name)
    text = page.render(
        n=numbers,
        images=images,
        samples=samples,
        emotions=label_set.emotions(),
        styles=_shown_styles(numbers),
        names=_NAMES,
        version=__version__,
    )
    write_text(folder / "report.html", text)
    return numbers


def summary(build: Path, rows: pd.DataFrame) -> dict[str, Any]:
    """The numbers of the report."""
    verdicts = pq.read_table(build / VERDICTS).to_pandas()
    fitted = read_json(build / "tables" / calibration.NAME)
    resolved = read_json(build / "resolved.json") or {}
    queue = review.queue(build).to_pylist()
    return {
        "name": resolved.get("recipe", {}).get("name", build.name),
        "num_rows": len(rows),
        "models": [model["name"] for model in resolved.get("models", [])],
        "steps": by_step(verdicts),
        "balance": {
            style: balance(rows[rows["style"] == style]["emotion"]) for style in label_set.styles()
        },
        "emotion_rules": _counts(rows["emotion_rule"]),
        "confidence": {
            style: _confidence(rows[rows["style"] == style]) for style in label_set.styles()
        },
        "votes": vote_report(build),
        "calibration": _calibration(fitted, resolved),
        "confusion": confusion(rows),
        "people": resolved.get("people", {}),
        "queue": {"num_rows": len(queue), "num_issues": sum(row["is_issue"] for row in queue)},
        "ambiguous": _ambiguous(rows)["id"].tolist(),
    }


def by_step(verdicts: pd.DataFrame) -> list[dict[str, Any]]:
    """Counts of emotion x style over all inputs, then after each step that took some.

    The first and the last number of rows are those of the funnel.
    """
    rows = verdicts
    found = [{"step": "inputs", "num_rows": len(rows), "counts": _table(rows)}]
    order = verdicts.loc[verdicts["reason"].notna(), "step"].drop_duplicates()
    # the decision applies its steps in one order, whatever row comes first in the table
    known = ["ingest", "rows", "measure", "decide", "review", "duplicates", "leaks", "splits"]
    for step in sorted(order, key=lambda name: (known.index(name) if name in known else 99, name)):
        rows = rows[rows["step"] != step]
        found.append({"step": step, "num_rows": len(rows), "counts": _table(rows)})
    return found


def _table(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Rows by style and emotion; those without style, or not read, are in NO_STYLE."""
    emotion = rows["emotion"].fillna("none")
    table = pd.crosstab(rows["style"].fillna(label_set.NO_STYLE), emotion)
    folders, names = label_set.current().folders, (*label_set.emotions(), "none")
    table = table.reindex(index=list(folders), columns=list(names), fill_value=0)
    return {
        style: {name: int(table[name].to_dict().get(style, 0)) for name in names}
        for style in folders
    }


def balance(emotions: pd.Series) -> float | None:
    """Entropy of the emotions' shares over its maximum: 1 = all equally frequent; null if none."""
    counts = (
        emotions.dropna().value_counts().reindex(label_set.emotions(), fill_value=0).to_numpy(float)
    )
    total = counts.sum()
    return round(float(entropy(counts[None] / total)[0]), 4) if total else None


def confusion(rows: pd.DataFrame) -> dict[str, list[list[int]]]:
    """Counts (8, 8) of what the second claims where the first claims something, per pair."""
    human = rows["emotion"].where(rows["emotion_rule"].eq("human"), None)
    claims = {
        "human": human,
        "source": parsed(rows["emotion_source"], label_set.parse_emotion),
        "clip": rows["emotion_clip"],
    }
    found = {}
    for first, second in _CLAIMS:
        table = np.zeros((len(label_set.emotions()), len(label_set.emotions())), int)
        both = claims[first].notna() & claims[second].notna()
        for a, b in zip(claims[first][both], claims[second][both]):
            table[label_set.emotions().index(a), label_set.emotions().index(b)] += 1
        if table.any():
            found[f"{first} and {second}"] = table.tolist()
    return found


def draw(build: Path, rows: pd.DataFrame, numbers: dict[str, Any]) -> dict[str, bytes]:
    """Every figure by file name without its suffix."""
    claimed = rows[rows["emotion_clip"].notna()]
    prob = np.array(claimed["emotion_prob"].to_list()).reshape(-1, len(label_set.emotions()))
    by_style = {style: prob[claimed["style"].eq(style).to_numpy()] for style in label_set.styles()}
    found = {
        "confidence": figures.confidence(by_style),
        "grid": sample_grid.draw(build / "dataset"),
    }
    for name, place in (("before", 0), ("after", -1)):
        counts = numbers["steps"][place]["counts"]
        names, styles = [*label_set.emotions(), "none"], _shown_styles(numbers)
        values = np.array([[counts[style][e] for e in names] for style in styles])
        shown = [_NAMES.get(style, style) for style in styles]
        found[f"counts_{name}"] = figures.matrix(
            values, shown, names, xlabel="final emotion", ylabel="style"
        )
    for pair, table in numbers["confusion"].items():
        first, second = pair.split(" and ")
        found[f"confusion_{first}_{second}"] = figures.matrix(
            np.array(table),
            label_set.emotions(),
            label_set.emotions(),
            xlabel=f"{second} says",
            ylabel=f"{first} says",
        )
    if numbers["calibration"]["state"] == "fitted":
        found |= calibration_figures(numbers["calibration"]["all"])
    found |= _sheets(build, rows)
    return found


def _shown_styles(numbers: dict[str, Any]) -> list[str]:
    """The styles, and NO_STYLE where an input is without one."""
    counts = numbers["steps"][0]["counts"]
    every = label_set.styles()
    return [style for style in counts if style in every or any(counts[style].values())]


def calibration_figures(entry: dict[str, Any]) -> dict[str, bytes]:
    """The reliability diagram and the curve of accuracy over coverage of one fit."""
    bins = {name: entry[name]["reliability"] for name in ("before", "after")}
    curve = {"accuracy": (entry["curve"]["coverage"], entry["curve"]["accuracy"])}
    return {
        "calibration": figures.reliability(bins),
        "coverage": figures.curves(curve, "share of rows accepted, surest first"),
    }


def _sheets(build: Path, rows: pd.DataFrame) -> dict[str, bytes]:
    """The most ambiguous pictures, and a sample sheet per cell of style x emotion."""
    ambiguous = _ambiguous(rows)
    picks = {} if ambiguous.empty else {"ambiguous": ambiguous}
    labelled = rows[rows["emotion"].notna()]
    styles = labelled["style"].fillna(label_set.NO_STYLE)
    for (style, emotion), cell in labelled.groupby([styles, "emotion"], sort=True):
        # the hash in the id is as good as a random draw, and the same every time
        picks[f"samples/{style}-{emotion}"] = cell.sort_values("id").head(TILES_PER_SHEET)
    wanted = {key for pick in picks.values() for key in pick["id"]}
    pictures = _pictures(build, wanted)
    sheets = {}
    for name, pick in picks.items():
        tiles = [
            Tile(picture=pictures[row["id"]], text=_caption(row)) for row in pick.to_dict("records")
        ]
        sheets[name] = contact_sheet.png([Group(tiles=tiles)], LAYOUT)
    return sheets


def _caption(row: dict[Any, Any]) -> str:
    final = f"{row['emotion']} ({row['emotion_rule']})" if row["emotion"] else "no final label"
    name = contact_sheet.end_of_path(row["source_path"] or row["id"])
    claim = f"{row['emotion_clip']} {row['clip_prob']:.2f}" if row["emotion_clip"] else "no claim"
    return f"{name}\n{final}\nCLIP: {claim}"


def _pictures(build: Path, wanted: set[str]) -> dict[str, Image.Image | None]:
    """Small copies of published pictures by id, read one row group at a time."""
    found: dict[str, Image.Image | None] = {}
    for path in sorted((build / "dataset" / "data").glob("*/*.parquet")):
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, columns=["id"]).column("id")
            keep = pc.is_in(ids, value_set=pa.array(sorted(wanted), ids.type))
            if pc.any(keep).as_py():
                table = file.read_row_group(group, columns=["id", "image"]).filter(keep)
                for row in table.to_pylist():
                    found[row["id"]] = contact_sheet.thumbnail(row["image"]["bytes"], LAYOUT)
    return found


def _ambiguous(rows: pd.DataFrame) -> pd.DataFrame:
    claimed = rows[rows["emotion_clip"].notna()]
    return claimed.sort_values(["emotion_entropy", "id"], ascending=[False, True]).head(
        NUM_AMBIGUOUS
    )


def _confidence(rows: pd.DataFrame) -> dict[str, Any]:
    """Means over the rows of one style; null where it has none."""
    rows = rows[rows["emotion_clip"].notna()]
    if rows.empty:
        return {"num_rows": 0}
    return {
        "num_rows": len(rows),
        "mean_prob": round(float(rows["clip_prob"].mean()), 4),
        "mean_entropy": round(float(rows["emotion_entropy"].mean()), 4),
        "model_agreement": round(float(rows["emotion_agreement"].mean()), 4),
    }


def _calibration(fitted: dict[str, Any] | None, resolved: dict[str, Any]) -> dict[str, Any]:
    """The fit of the build if there is one, and whether it belongs to these models and prompts."""
    if fitted is None:
        return {"state": "none"}
    inputs = resolved.get("calibration", {}).get("inputs")
    return {"state": "fitted" if fitted["inputs"] == inputs else "stale", **fitted}


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(name): int(n) for name, n in values.value_counts().items()}


def calibrate_build(build: Path, resolved: dict[str, Any]) -> dict[str, Any]:
    """Fit a build's calibration, keep it and draw it; the file's content comes back."""
    rows = review.claims_table(build)
    rows = rows[rows["emotion_rule"].isin(["human", "source"]) & rows["emotion"].notna()]
    labelled = pd.DataFrame(
        {
            "prob": rows["emotion_raw_prob"],
            "truth": rows["emotion"].map({name: k for k, name in enumerate(label_set.emotions())}),
            "style": rows["style"],
            "cluster": rows["cluster"],
            "rule": rows["emotion_rule"],
        }
    )
    options = resolved["recipe"]["labels"]
    content = calibration.fit_rows(
        labelled,
        min_rows=options["calibration_min_rows"],
        key=resolved["calibration"]["inputs"],
        seed=resolved["recipe"]["seed"],
    )
    calibration.save(build / "tables" / calibration.NAME, content)
    for name, data in calibration_figures(content["all"]).items():
        path = build / "report" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return content
