"""What a card and Croissant say in numbers: counted from the shards, and taken from the build."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from emo8.core.label_set import NO_STYLE, LabelSet
from emo8.core.licenses import hub_id
from emo8.core.settings import LeaksConfig
from emo8.core.taxonomy import SPLITS
from emo8.dataset.shards import content_fingerprint, labels_of, read_rows
from emo8.duplicates import fingerprints
from emo8.engine.database import parquet, reading
from emo8.engine.verdict_table import VERDICTS
from emo8.labels.calibration import Calibrations
from emo8.labels.clip.domain import OUT_OF_DOMAIN
from emo8.review.report import vote_report

NO_EMOTION = "none"
_OTHER_ALPHAS = {
    f"krippendorff_alpha_{name}": f"alpha of {name}"
    for name in ("style", "valence", "arousal", "dominance", "polarity")
} | {"krippendorff_alpha_yes_no": "alpha of yes or no to a proposed emotion"}
_NO_LICENSE = "unknown"
_MAY_BE_EMPTY = ("caption", "license", "attribution", "source_url", "people")
_NARROW = (
    "emotion", "style", "emotion_rule", "style_rule", "source", "cluster", *_MAY_BE_EMPTY,
    "published_sha256", "num_votes", "emotion_calibration", "faces_blurred",
)  # fmt: skip


def count(root: Path) -> dict[str, Any]:
    """Rows by split, style, emotion, rule, licence and source; empty values; people; clusters."""
    table = read_rows(root, list(_NARROW))
    labels = labels_of(root)
    counts = _cells(table, labels)
    unlabelled = table["emotion"].null_count
    if not unlabelled:
        counts = {style: {e: row[e] for e in labels.emotions} for style, row in counts.items()}
    by_emotion = {
        emotion: sum(row[emotion] for row in counts.values()) for emotion in labels.emotions
    }
    ranked = sorted(by_emotion.items(), key=lambda item: (-item[1], item[0]))
    licenses = _counted(pc.fill_null(table["license"], _NO_LICENSE))
    boxes = pc.list_value_length(table["people"])
    empty = {name: table[name].null_count for name in _MAY_BE_EMPTY}
    return {
        "num_rows": table.num_rows,
        "counts": {style: row for style, row in counts.items() if sum(row.values())},
        "splits": {
            split: rows
            for split in SPLITS
            if (rows := pc.sum(pc.equal(table["split"], split)).as_py())
        },
        "emotion_rules": _counted(table["emotion_rule"]),
        "style_rules": _counted(table["style_rule"]),
        "licenses": licenses,
        "hub_ids": {license: hub_id(license) for license in licenses},
        "sources": _counted(table["source"]),
        "missing": {name: rows for name, rows in empty.items() if rows},
        "num_clusters": pc.count_distinct(table["cluster"]).as_py(),
        "with_people": pc.sum(pc.greater(boxes, 0)).as_py() or 0,
        "people_unknown": empty["people"],
        "negative": sum(rows for name, rows in by_emotion.items() if name in labels.negative),
        "largest": ranked[0],
        "smallest": ranked[-1],
        "withheld": table["published_sha256"].null_count,
        "unlabelled": unlabelled,
        "unstyled": table["style"].null_count,
        "voted": _where(table, "num_votes", lambda column: pc.greater(column, 0)),
        "blur_asked": table.num_rows - table["faces_blurred"].null_count,
        "blurred": _where(table, "faces_blurred", lambda column: pc.greater(column, 0)),
        "calibrated": _where(
            table,
            "emotion_calibration",
            lambda c: pc.invert(pc.is_in(c, pa.array(["none", OUT_OF_DOMAIN]))),
        ),
        "out_of_domain": _where(table, "emotion_calibration", lambda c: pc.equal(c, OUT_OF_DOMAIN)),
        "fingerprint": content_fingerprint(root),
        "labels": labels,
    }


def hub_licenses(facts: dict[str, Any]) -> list[str]:
    """The Hub's identifiers of the rows' licences, most rows first."""
    totals: Counter[str] = Counter()
    for license, rows in facts["licenses"].items():
        totals[facts["hub_ids"][license]] += rows
    return [name for name, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))]


def annotators(facts: dict[str, Any]) -> list[str]:
    """The Hub's words for who made the final labels."""
    rules = facts["emotion_rules"]
    words = {"human": "crowdsourced", "source": "found", "clip": "machine-generated"}
    return sorted({words.get(rule, "other") for rule in rules})


def _cells(table: pa.Table, labels: LabelSet) -> dict[str, dict[str, int]]:
    """style -> emotion -> rows; a value outside the vocabulary is left to the gate."""
    pairs = Counter(zip(table["style"].to_pylist(), table["emotion"].to_pylist(), strict=True))
    return {
        labels.folder_of(number): {
            **{emotion: pairs[number, place] for place, emotion in enumerate(labels.emotions)},
            NO_EMOTION: pairs[number, None],
        }
        for number in (*range(len(labels.styles)), None)
        if number is not None or NO_STYLE not in labels.styles
    }


def _where(table: pa.Table, name: str, test: Callable[[pa.ChunkedArray], pa.ChunkedArray]) -> int:
    """Rows whose value in a column passes `test`; 0 where there is no such column."""
    return pc.sum(test(table[name])).as_py() or 0 if name in table.column_names else 0


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value occurs, most frequent first, equal ones by name."""
    counted = {item["values"]: item["counts"] for item in pc.value_counts(column).to_pylist()}
    pairs = [(str(value), rows) for value, rows in counted.items()]
    return dict(sorted(pairs, key=lambda item: (-item[1], item[0])))


# --- of the build ----------------------------------------------------------------------------


def agreement(build: Path) -> dict[str, Any] | None:
    """How far the annotators of a build agree; None when nobody voted.

    Krippendorff's alpha holds for any numbers of votes per row, Fleiss' kappa for equal ones.
    """
    report = vote_report(build)
    if not report["num_counted"]:
        return None
    alpha = f"Krippendorff's alpha ({report.get('krippendorff_alpha_distance')})"
    names = {"krippendorff_alpha": alpha, "fleiss_kappa": "Fleiss' kappa", **_OTHER_ALPHAS}
    by_emotion = report.get("krippendorff_alpha_by_emotion", {})
    return {
        "annotators": report["num_annotators"],
        "per_row": report["annotators_per_row"],
        "measures": {
            name: report[key] for key, name in names.items() if report.get(key) is not None
        },
        "by_emotion": {name: value for name, value in by_emotion.items() if value is not None},
        "by_style": report.get("krippendorff_alpha_by_style", {}),
    }


def calibration(calibrations: Calibrations) -> dict[str, str] | None:
    """Per fit how far its confidence was off, before and after; None when nothing was fitted."""
    fits = {"all styles": calibrations.overall, **calibrations.by_style}
    found = {
        name: f"(expected calibration error {fit.ece_before} before, {fit.ece_after} after, "
        f"cross-validated on {fit.n} labelled rows)"
        for name, fit in fits.items()
        if fit is not None
    }
    return found or None


def leaks(build: Path, config: LeaksConfig, recipe_dir: Path) -> str | None:
    """Which benchmarks were looked for, and how many rows left; None when none was named."""
    if not config.files:
        return None
    with reading(build) as db:
        rows = f"{parquet(build / VERDICTS)} WHERE reason = 'leak'"
        left = dict(db.lines(f"SELECT detail, count(*) FROM {rows} GROUP BY detail"))
    names = [fingerprints.read(recipe_dir / file).about.name for file in config.files]
    return ", ".join(f"{name} ({left.get(name, 0)} rows left)" for name in names)
