"""Fitting a build's calibration on its labelled rows, keeping it, and finding it again.

`emo8 calibrate BUILD` writes `BUILD/tables/calibration.json`; the next `emo8 build` applies it in
the step `calibrate`. A calibration belongs to the models and prompts it was fitted for and is not
applied to others.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emo8.core import label_set
from emo8.core.errors import BuildError, RecipeError
from emo8.core.json_text import parse_json
from emo8.engine.files import fingerprint, write_text
from emo8.labels.clip import calibrate as maths
from emo8.labels.clip.calibrate import Calibration

logger = logging.getLogger(__name__)

NAME = "calibration.json"
OFF = "off"
_VERSION = 1
_CURVE_POINTS = 200


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One calibration and the curve that says what its confidence is worth."""

    calibration: Calibration
    n: int  # rows it was fitted on
    curve: dict[str, list[float]]  # threshold, coverage, accuracy; cross-validated
    ece_before: float  # expected calibration error on the rows it was fitted on
    ece_after: float  # cross-validated


@dataclass(frozen=True, kw_only=True)
class Calibrations:
    """The fit over all styles and those of single styles; empty means: nothing is calibrated."""

    overall: Fit | None = None
    by_style: dict[str, Fit] = field(default_factory=dict)
    state: str = "none"  # "none", "fitted", or "stale": made for other models or prompts

    def of(self, style: str) -> tuple[str, Calibration | None]:
        """Which fit a style uses: its own, "all", or "none"; and that fit's calibration."""
        if style in self.by_style:
            return style, self.by_style[style].calibration
        return ("all", self.overall.calibration) if self.overall else ("none", None)

    def threshold(self, style: str, max_risk: float) -> float:
        """The confidence under which CLIP's claim about a row of this style is not believed."""
        fit = self.by_style.get(style, self.overall)
        if max_risk >= 1:
            return 0.0
        return maths.threshold_for_risk(fit.curve, fit.n, max_risk) if fit else float("inf")

    def thresholds(self, max_risk: float) -> dict[str, float | None]:
        """The thresholds of all styles as JSON values; null = nothing is believed."""
        found = {style: self.threshold(style, max_risk) for style in label_set.styles()}
        return {style: value if np.isfinite(value) else None for style, value in found.items()}

    def options(self) -> dict[str, Any]:
        """What changes the output of the step `calibrate`, as JSON values."""
        fits = {"all": self.overall, **self.by_style}
        return {
            name: [fit.calibration.temperature, *fit.calibration.offsets]
            for name, fit in fits.items()
            if fit
        }


def inputs_key(models: list[tuple[str, str]], prompts_sha256: str, style_prompts: bool) -> str:
    """What a calibration is tied to: (name, weights hash) of the models, and the prompts."""
    return fingerprint(sorted(models), prompts_sha256, style_prompts)


def fit_rows(rows: pd.DataFrame, *, min_rows: int, key: str, seed: int = 0) -> dict[str, Any]:
    """The content of calibration.json from labelled rows.

    `rows` has `prob` (raw distributions), `truth` (emotion number), `style`, `cluster`, `rule`.
    BuildError when there are too few of them.
    """
    if len(rows) < min_rows:
        raise BuildError(
            f"{len(rows)} rows have a human or source label with a distribution, and a "
            f"calibration needs {min_rows} (labels.calibration_min_rows): import votes with "
            "`emo8 review BUILD --import FILE`, or use a source that brings emotions"
        )
    content: dict[str, Any] = {
        "version": _VERSION,
        "inputs": key,
        "emotions": list(label_set.emotions()),
        "rules": {name: int(n) for name, n in rows["rule"].value_counts().sort_index().items()},
        "all": _fit_one(rows, seed),
        "styles": {},
    }
    for style in label_set.styles():
        own = rows[rows["style"] == style]
        if len(own) == len(rows):
            note = "all labelled rows are of this style: same as the fit over all styles"
            content["styles"][style] = {"n": len(own), "note": note}
        elif len(own) < min_rows:
            note = f"too few labelled rows ({len(own)} of {min_rows}): uses the fit over all styles"
            if not len(own):
                note += ", of which none is of this style"
            content["styles"][style] = {"n": len(own), "note": note}
        else:
            content["styles"][style] = _fit_one(own, seed)
    return content


def _fit_one(rows: pd.DataFrame, seed: int) -> dict[str, Any]:
    prob, truth = np.stack(rows["prob"].to_list()), rows["truth"].to_numpy()
    groups, _ = pd.factorize(rows["cluster"])
    if len(np.unique(groups)) < 2:
        raise BuildError("all labelled rows are copies of one picture: nothing to cross-validate")
    after = maths.cross_fitted(prob, truth, groups, seed=seed)
    calibration = maths.fit(prob, truth)
    curve = maths.coverage_curve(after, truth)
    places = np.unique(np.linspace(0, len(curve["coverage"]) - 1, _CURVE_POINTS).astype(int))
    return {
        "n": len(rows),
        "groups": len(np.unique(groups)),
        "temperature": calibration.temperature,
        "offsets": list(calibration.offsets),
        "before": _quality(prob, truth),
        "after": _quality(after, truth),
        "curve": {name: values[places].round(6).tolist() for name, values in curve.items()},
    }


def _quality(prob: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Accuracy, ECE, accuracy at half coverage and reliability bins of distributions."""
    bins = maths.reliability(prob, truth)
    return {
        "accuracy": round(float((prob.argmax(axis=1) == truth).mean()), 4),
        "ece": round(maths.ece(prob, truth), 4),
        "accuracy_at_half_coverage": round(maths.accuracy_at(prob, truth, 0.5), 4),
        "reliability": [
            {k: v if k == "n" else round(v, 4) for k, v in row.items()} for row in bins
        ],
    }


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a calibration file."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def find(build: Path, option: str, recipe_dir: Path, key: str) -> Calibrations:
    """The calibration a build uses: the recipe's file, else the build's own, if it fits `key`.

    RecipeError when the recipe names a file that is missing, damaged or made for other models.
    """
    if option == OFF:
        return Calibrations()
    path = recipe_dir / option if option else build / "tables" / NAME
    if not option and not path.exists():
        return Calibrations()
    content = _read(path)
    if content["inputs"] != key:
        said = f"{path} was fitted for other models or prompts"
        if option:
            raise RecipeError(f"labels.calibration = {option!r}: {said}; fit it again")
        logger.warning("%s and is not applied; run `emo8 calibrate %s` again", said, build)
        return Calibrations(state="stale")
    fits = {style: _parse(entry) for style, entry in content["styles"].items() if "curve" in entry}
    return Calibrations(overall=_parse(content["all"]), by_style=fits, state="fitted")


def require_for_risk(calibrations: Calibrations, max_risk: float, recipe: str) -> None:
    """RecipeError when a risk is asked for and nothing says what CLIP's confidence is worth."""
    if max_risk < 1 and calibrations.overall is None:
        cause = {"stale": "the one in the build is for other models or prompts"}
        why = cause.get(calibrations.state, "there is none")
        raise RecipeError(
            f"{recipe}: labels.max_risk = {max_risk:g} needs a calibration, and {why}: build "
            "without max_risk, run `emo8 calibrate BUILD`, then build again with it; or name a "
            "calibration file in labels.calibration"
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"no calibration at {path}: run `emo8 calibrate BUILD`") from None
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path} is not a calibration: {error}; fit it again") from None
    good = isinstance(content, dict) and content.get("version") == _VERSION
    if not good or not {"inputs", "all", "styles"} <= set(content):
        raise RecipeError(f"{path} is not a calibration of this version; fit it again")
    return content


def _parse(entry: dict[str, Any]) -> Fit:
    return Fit(
        calibration=Calibration(
            temperature=float(entry["temperature"]), offsets=tuple(entry["offsets"])
        ),
        n=int(entry["n"]),
        curve=entry["curve"],
        ece_before=float(entry["before"]["ece"]),
        ece_after=float(entry["after"]["ece"]),
    )
