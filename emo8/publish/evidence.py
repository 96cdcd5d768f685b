"""What a card says about review, calibration and leaks: numbers of a build in a reader's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from emo8.core.settings import LeaksConfig
from emo8.duplicates import fingerprints
from emo8.labels.calibration import Calibrations
from emo8.review.report import vote_report

_OTHER_ALPHAS = {
    f"krippendorff_alpha_{name}": f"alpha of {name}"
    for name in ("style", "valence", "arousal", "dominance", "polarity")
}


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


def leaks(verdicts: pd.DataFrame, config: LeaksConfig, recipe_dir: Path) -> str | None:
    """Which benchmarks were looked for, and how many rows left; None when none was named."""
    if not config.files:
        return None
    left = verdicts.loc[verdicts["reason"] == "leak", "detail"].value_counts().to_dict()
    names = [fingerprints.read(recipe_dir / file).about.name for file in config.files]
    return ", ".join(f"{name} ({left.get(name, 0)} rows left)" for name in names)
