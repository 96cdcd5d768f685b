"""How good CLIP's labels of faces are, by artist family: prompts, calibration, abstention.

    python -m benchmarks.lab.labels --faces emotion_faces.parquet --out benchmarks/results
    python -m benchmarks.lab.labels --faces … --out … --test --why "the committed candidate"

Choices are made on the families in CHOICE alone, and calibrations are fitted there. The families in
TEST are looked at only with `--test`, and every look adds a line to `label_looks.csv`. Writes
`labels.json` and `labels.md`. Intervals are 95% percentiles of a bootstrap over pictures.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from emo8.core.taxonomy import EMOTIONS
from emo8.labels.clip import calibrate
from emo8.labels.clip.encoder import Encoder, load
from emo8.labels.clip.prompts import PromptSet, load_prompts
from emo8.labels.clip.zeroshot import classifier, probabilities

CHOICE = ("fxemoji", "dylan")
TEST = ("twemoji", "openmoji", "open-peeps")
STYLE = "cartoon"  # of all faces
RESAMPLES = 1000
LOOKS = "label_looks.csv"
MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": lambda prob, truth: float((prob.argmax(axis=1) == truth).mean()),
    "macro_f1": lambda prob, truth: macro_f1(prob.argmax(axis=1), truth),
    "ece": lambda prob, truth: calibrate.ece(prob, truth),
    "accuracy_at_half_coverage": lambda prob, truth: calibrate.accuracy_at(prob, truth, 0.5),
}


@dataclass(frozen=True, kw_only=True)
class Family:
    """The labelled faces of one artist family, as vectors (N, D), and their emotions (N,)."""

    vectors: np.ndarray
    truth: np.ndarray


def read_family(path: Path, vendor: str, encoder: Encoder) -> Family:
    """One family's faces, embedded."""
    table = pq.read_table(path, filters=[("vendor", "==", vendor)])
    images = [row if isinstance(row, bytes) else row["bytes"] for row in table["image"].to_pylist()]
    emotions = [EMOTIONS.index(name) for name in table["emotion"].to_pylist()]
    pictures = (Image.open(io.BytesIO(data)) for data in images)
    return Family(vectors=encoder.embed_images(pictures), truth=np.array(emotions))


def prompt_choices(prompts: PromptSet) -> dict[str, dict[str, list[str]]]:
    """The ways of asking that are compared, from one sentence to all that fits the style."""
    return {
        "one sentence": {name: [f"a picture of {name}"] for name in EMOTIONS},
        "ensemble": prompts.emotion,
        "ensemble + style": {
            name: [*prompts.emotion[name], *prompts.emotion_in.get(STYLE, {}).get(name, [])]
            for name in EMOTIONS
        },
    }


def measure(prob: np.ndarray, truth: np.ndarray, *, seed: int = 0) -> dict[str, list[float]]:
    """Per measure its value and the ends of its interval."""
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(truth), (RESAMPLES, len(truth)))
    found = {}
    for name, function in MEASURES.items():
        spread = [function(prob[rows], truth[rows]) for rows in draws]
        low, high = np.percentile(spread, (2.5, 97.5))
        found[name] = [round(float(v), 4) for v in (function(prob, truth), low, high)]
    return found


def macro_f1(guesses: np.ndarray, truth: np.ndarray) -> float:
    """Mean F1 over the emotions that occur in `truth`."""
    table = np.bincount(truth * len(EMOTIONS) + guesses, minlength=len(EMOTIONS) ** 2)
    table = table.reshape(len(EMOTIONS), len(EMOTIONS))
    present = table.sum(axis=1) > 0
    both = table.sum(axis=0) + table.sum(axis=1)
    return float((2 * np.diag(table)[present] / both[present]).mean())


def evaluate(encoder: Encoder, prompts: PromptSet, families: dict[str, Family]) -> dict[str, Any]:
    """Per way of asking and family: measures before and after calibration on CHOICE.

    Families in CHOICE are calibrated by cross-fitting, so that no face vouches for itself.
    """
    found: dict[str, Any] = {}
    truth = np.concatenate([families[name].truth for name in CHOICE])
    for choice, texts in prompt_choices(prompts).items():
        weights = classifier(encoder, texts, EMOTIONS)
        prob = {
            name: probabilities(family.vectors, weights, logit_scale=encoder.logit_scale)
            for name, family in families.items()
        }
        pooled = np.concatenate([prob[name] for name in CHOICE])
        fitted = calibrate.fit(pooled, truth)
        crossed = calibrate.cross_fitted(pooled, truth, np.arange(len(truth)))
        own = dict(zip(CHOICE, np.split(crossed, [len(prob[CHOICE[0]])])))
        found[choice] = {
            "temperature": fitted.temperature,
            "families": {
                name: {
                    "n": len(family.truth),
                    "before": measure(prob[name], family.truth),
                    "after": measure(
                        own[name] if name in own else fitted.apply(prob[name]), family.truth
                    ),
                }
                for name, family in families.items()
            },
        }
    return found


def write_markdown(path: Path, results: dict[str, Any]) -> None:
    """The table that goes into the documentation."""
    lines = [
        "# CLIP's labels of drawn faces, by artist family",
        "",
        f"Model `{results['model']}` (weights `{results['weights_sha256'][:12]}`), prompts "
        f"`{results['prompts_sha256'][:12]}`. Calibrated on {' and '.join(CHOICE)} alone (those",
        "two by cross-fitting). 95% bootstrap intervals over pictures. Chance is 0.125. ECE is the",
        "expected calibration error in 15 bins; under 120 pictures a family it is mostly noise,",
        "and resampling adds to it, so its spread lies high, can miss the value itself, and is no",
        "confidence interval. Differences between rows whose intervals overlap prove nothing.",
        "",
        f"Made by `{results['command']}`.",
        "",
        "| prompts | family | n | accuracy | macro-F1 | ECE before | ECE after | accuracy at half "
        "coverage | the same, calibrated |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for choice, entry in results["choices"].items():
        for family, numbers in entry["families"].items():
            before, after = numbers["before"], numbers["after"]
            half = "accuracy_at_half_coverage"
            cells = [before["accuracy"], before["macro_f1"], before["ece"], after["ece"],
                     before[half], after[half]]  # fmt: skip
            shown = " | ".join(f"{v:.2f} [{low:.2f}, {high:.2f}]" for v, low, high in cells)
            lines.append(f"| {choice} | {family} | {numbers['n']} | {shown} |")
    if not results["looked_at_test"]:
        lines += ["", f"The test families ({', '.join(TEST)}) were not looked at in this run."]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def log_look(path: Path, why: str, results: dict[str, Any]) -> None:
    """Add one line: when, which weights and prompts, why, and what was seen."""
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(["date", "weights_sha256", "prompts_sha256", "why", "prompts", *TEST])
        for choice, entry in results["choices"].items():
            seen = [entry["families"][name]["before"]["accuracy"][0] for name in TEST]
            today = datetime.now(UTC).date().isoformat()
            hashes = [results["weights_sha256"], results["prompts_sha256"]]
            writer.writerow([today, *hashes, why, choice, *seen])


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure CLIP's labels of faces by family.")
    parser.add_argument("--faces", type=Path, required=True, help="emotion_faces.parquet")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--model", default="embedded", help="as in labels.clip")
    parser.add_argument("--test", action="store_true", help="look at the test families, logged")
    parser.add_argument("--why", default="", help="reason for the look, for the log")
    arguments = parser.parse_args(argv)
    if arguments.test and not arguments.why:
        parser.error("--test needs --why: every look at the test families is logged")
    encoder, prompts = load(arguments.model), load_prompts()
    vendors = (*CHOICE, *(TEST if arguments.test else ()))
    families = {name: read_family(arguments.faces, name, encoder) for name in vendors}
    results = {
        "model": encoder.name,
        "weights_sha256": encoder.weights_sha256,
        "prompts_sha256": prompts.sha256,
        "command": "python -m benchmarks.lab.labels --faces emotion_faces.parquet --out DIR"
        + (" --test --why WHY" if arguments.test else ""),
        "looked_at_test": arguments.test,
        "choices": evaluate(encoder, prompts, families),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "labels.json").write_text(json.dumps(results, indent=1) + "\n")
    write_markdown(arguments.out / "labels.md", results)
    if arguments.test:
        log_look(arguments.out / LOOKS, arguments.why, results)


if __name__ == "__main__":
    main()
