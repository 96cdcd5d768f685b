"""Numbers of a build: the funnel, counts, claims. They feed `status`, the card and the figures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from emo8.core.reasons import describe
from emo8.core.settings import Recipe
from emo8.core.taxonomy import EMOTIONS, SPLITS, STYLES
from emo8.engine.files import fingerprint, write_part, write_text
from emo8.web.agent import DEFAULT_AGENT


def funnel(verdicts: pd.DataFrame) -> dict[str, Any]:
    """Inputs, kept rows, and how many left for which reason; the parts always add up."""
    return {
        "inputs": len(verdicts),
        "kept": int(verdicts["reason"].isna().sum()),
        "rejected": _counts(verdicts["reason"].dropna()),
    }


def funnel_lines(numbers: Mapping[str, Any]) -> list[str]:
    """The funnel as lines of text: inputs, each reason with its meaning, kept."""
    left = [
        f"{-count:>8} {reason:<18} {describe(reason)}"
        for reason, count in numbers["rejected"].items()
    ]
    return [f"{numbers['inputs']:>8} inputs", *left, f"{numbers['kept']:>8} kept"]


def statistics(verdicts: pd.DataFrame, models: list[str]) -> dict[str, Any]:
    """What the card and the figures say about the published rows."""
    columns = ["style", "emotion", "split", "emotion_rule", "style_rule", "license", "source"]
    kept = verdicts.loc[verdicts["reason"].isna(), columns]
    table = pd.crosstab(kept["style"], kept["emotion"])
    table = table.reindex(index=list(STYLES), columns=list(EMOTIONS), fill_value=0)
    return {
        "num_rows": len(kept),
        "funnel": funnel(verdicts),
        "counts": table.T.to_dict(),  # style -> emotion -> rows
        "splits": {split: int((kept["split"] == split).sum()) for split in SPLITS},
        "emotion_rules": _counts(kept["emotion_rule"]),
        "style_rules": _counts(kept["style_rule"]),
        "licenses": _counts(kept["license"].fillna("unknown")),
        "sources": _counts(kept["source"]),
        "models": models,
    }


def fetch_statistics(verdicts: pd.DataFrame, recipe: Recipe) -> dict[str, Any] | None:
    """What the card says about fetched links: the rules, and how many sites opted out."""
    names = {source.name for source in recipe.source if source.kind == "urls"}
    if not names:
        return None
    rows = verdicts[verdicts["source"].isin(names)]
    opted_out = rows.loc[rows["reason"] == "opt_out", "detail"]
    options = recipe.fetch
    return {
        "links": len(rows),
        "user_agent": options.user_agent or DEFAULT_AGENT,
        "robots_txt": options.robots_txt,
        "x_robots_tag": options.x_robots_tag,
        "x_robots_directives": list(options.x_robots_directives),
        "tdm_reservation": options.tdm_reservation,
        "opt_outs": _counts(opted_out.dropna()),
    }


def write_report(build: Path, verdicts: pd.DataFrame, stats: dict[str, Any]) -> None:
    """Write `report/funnel.json`, `report/stats.json` and `tables/rejected.parquet`."""
    write_text(build / "report" / "funnel.json", json.dumps(stats["funnel"], indent=2) + "\n")
    write_text(build / "report" / "stats.json", json.dumps(stats, indent=2) + "\n")
    columns = ["id", "source", "source_path", "step", "reason", "value", "detail"]
    left = verdicts.loc[verdicts["reason"].notna(), columns]
    types = [pa.string()] * 5 + [pa.float64(), pa.string()]
    target = pa.schema(list(zip(columns, types, strict=True)))
    table = pa.Table.from_pandas(left, schema=target, preserve_index=False)
    write_part(table, build / "tables" / "rejected.parquet", fingerprint(stats["funnel"]))


def _counts(values: pd.Series) -> dict[str, int]:
    """How often each value occurs, most frequent first, equal ones by name."""
    counted = Counter(values.tolist())
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
