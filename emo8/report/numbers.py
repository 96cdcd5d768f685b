"""Numbers of a build: the funnel, counts, claims. They feed `status`, the card and the figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from emo8.core import label_set
from emo8.core.reasons import describe
from emo8.core.settings import Recipe
from emo8.core.taxonomy import SPLITS
from emo8.engine.database import Database, parquet, reading, values
from emo8.engine.files import fingerprint, part_writer, write_text
from emo8.engine.verdict_table import SCHEMA, VERDICTS
from emo8.web.agent import DEFAULT_AGENT


def funnel_lines(numbers: Mapping[str, Any]) -> list[str]:
    """The funnel as lines of text: inputs, each reason with its meaning, kept."""
    left = [
        f"{-count:>8} {reason:<18} {describe(reason)}"
        for reason, count in numbers["rejected"].items()
    ]
    return [f"{numbers['inputs']:>8} inputs", *left, f"{numbers['kept']:>8} kept"]


def disputed_lines(disputed: Mapping[str, int]) -> list[str]:
    """What a build says of copies under different labels; nothing where there are none."""
    if not disputed.get("clusters"):
        return []
    return [
        f"{disputed['clusters']:,} pictures have copies under different labels: "
        f"{disputed['rows']:,} rows stay, {disputed['open']:,} without a vote, "
        "which `emo8 review` shows first"
    ]


def statistics(build: Path, models: list[str]) -> dict[str, Any]:
    """What the card and the figures say about the published rows."""
    with reading(build) as db:
        rows = parquet(build / VERDICTS)
        kept = f"(FROM {rows} WHERE reason IS NULL)"
        rejected = _counts(db, "reason", f"(FROM {rows} WHERE reason IS NOT NULL)")
        style = f"coalesce(style, '{label_set.NO_STYLE}')"
        cells = db.lines(f"SELECT {style}, emotion, count(*) FROM {kept} GROUP BY ALL")
        found = {(style, emotion): n for style, emotion, n in cells}
        splits = _counts(db, "split", kept)
        num_rows = sum(found.values())
        return {
            "num_rows": num_rows,
            "funnel": {
                "inputs": num_rows + sum(rejected.values()),
                "kept": num_rows,
                "rejected": rejected,
            },
            "counts": {
                s: {e: found.get((s, e), 0) for e in label_set.emotions()}
                for s in label_set.current().folders
            },
            "splits": {split: splits.get(split, 0) for split in SPLITS},
            "emotion_rules": _counts(db, "emotion_rule", kept),
            "style_rules": _counts(db, "style_rule", kept),
            "licenses": _counts(db, "coalesce(license, 'unknown')", kept),
            "sources": _counts(db, "source", kept),
            "disputed": _disputed(db, kept),
            "models": models,
        }


def _disputed(db: Database, kept: str) -> dict[str, int]:
    """Copies for which sources name several emotions: clusters, rows that stay, unvoted rows."""
    counts = "count(DISTINCT cluster), count(*), count(*) FILTER (coalesce(num_votes, 0) = 0)"
    (found,) = db.lines(f"SELECT {counts} FROM {kept} WHERE disputed")
    return dict(zip(("clusters", "rows", "open"), found, strict=True))


def fetch_statistics(build: Path, recipe: Recipe) -> dict[str, Any] | None:
    """What the card says about fetched links: the rules, and how many sites opted out."""
    names = sorted({source.name for source in recipe.source if source.kind == "urls"})
    if not names:
        return None
    options = recipe.fetch
    with reading(build) as db:
        rows = f"(FROM {parquet(build / VERDICTS)} WHERE source IN {values(names)})"
        links = db.value(f"SELECT count(*) FROM {rows}")
        opted_out = f"(FROM {rows} WHERE reason = 'opt_out' AND detail IS NOT NULL)"
        opt_outs = _counts(db, "detail", opted_out)
    return {
        "links": links,
        "user_agent": options.user_agent or DEFAULT_AGENT,
        "robots_txt": options.robots_txt,
        "x_robots_tag": options.x_robots_tag,
        "x_robots_directives": list(options.x_robots_directives),
        "tdm_reservation": options.tdm_reservation,
        "opt_outs": opt_outs,
    }


def write_report(build: Path, stats: dict[str, Any]) -> None:
    """Write `report/funnel.json`, `report/stats.json` and `tables/rejected.parquet`."""
    write_text(build / "report" / "funnel.json", json.dumps(stats["funnel"], indent=2) + "\n")
    write_text(build / "report" / "stats.json", json.dumps(stats, indent=2) + "\n")
    columns = ["id", "source", "source_path", "step", "reason", "value", "detail"]
    target = pa.schema([SCHEMA.field(name) for name in columns])
    path, mark = build / "tables" / "rejected.parquet", fingerprint(stats["funnel"])
    rows = f"{parquet(build / VERDICTS)} WHERE reason IS NOT NULL"
    with reading(build) as db, part_writer(target, path, mark) as writer:
        for piece in db.batches(f"SELECT {', '.join(columns)} FROM {rows}"):
            writer.write_table(piece.cast(writer.schema))


def _counts(db: Database, column: str, rows: str) -> dict[str, int]:
    """How often each value occurs, most frequent first, equal ones by name."""
    counted = f"SELECT {column} AS value, count(*) AS rows FROM {rows} GROUP BY ALL"
    return dict(db.lines(f"FROM ({counted}) ORDER BY rows DESC, value"))
