"""How well a small CLIP names the emotion of faces by artists it has never seen.

    python -m benchmarks.lab.embedded_clip.evaluate --corpus CORPUS \
        --models SEED0 SEED1 --out DIR --why "..."

writes DIR/results.json, adds a line to DIR/looks.csv, because it looks at the test families, and
renews the tables in DIR/README.md where there is one.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from benchmarks.lab.embedded_clip.corpus import (
    CHOICE_FAMILIES,
    TEST_FAMILIES,
    Corpus,
    Faces,
    read_corpus,
    read_faces,
)
from emo8.core.stats import wilson
from emo8.core.taxonomy import EMOTIONS
from emo8.labels.clip.encoder import load
from emo8.labels.clip.prompts import load_prompts
from emo8.labels.clip.zeroshot import classifier

if TYPE_CHECKING:
    from emo8.labels.clip.encoder import Encoder
    from emo8.labels.clip.prompts import PromptSet

LOOKS_NAME = "looks.csv"
_CARD_NAME = "README.md"
_CARD_BEGIN = "<!-- results: written by benchmarks.lab.embedded_clip.evaluate -->\n"
_CARD_END = "<!-- end of results -->"
_PIXEL_SIDE_PX = 16


def evaluate(
    encoder: Encoder, prompts: PromptSet, families: Mapping[str, Faces]
) -> dict[str, dict[str, Any]]:
    """Per family: n, zero-shot accuracy with its Wilson interval, majority share, per emotion."""
    weights = classifier(encoder, prompts.emotion, EMOTIONS)
    found = {}
    for family, faces in families.items():
        guesses = (encoder.embed_images(faces.pictures) @ weights.T).argmax(axis=1)
        found[family] = score(guesses, faces.emotions)
    return found


def score(guesses: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """n, accuracy, 95% Wilson interval, majority share and [right, all] per emotion."""
    right = guesses == truth
    counts = np.bincount(truth, minlength=len(EMOTIONS))
    hits = np.bincount(truth[right], minlength=len(EMOTIONS))
    return {
        "n": len(truth),
        "accuracy": round(float(right.mean()), 4),
        "interval95": [round(value, 4) for value in wilson(int(right.sum()), len(truth))],
        "majority": round(float(counts.max() / len(truth)), 4),
        "right_of_all": {
            name: [int(hits[k]), int(counts[k])] for k, name in enumerate(EMOTIONS) if counts[k]
        },
    }


def pixel_probe(corpus: Corpus, families: Mapping[str, Faces]) -> dict[str, dict[str, Any]]:
    """The same scores for a linear probe on 16 x 16 raw pixels, fitted on the training rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    hinted = np.flatnonzero(corpus.emotions >= 0)
    seen = np.stack([_pixels(_on_white(corpus.pixels[k])) for k in hinted])
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    probe.fit(seen, corpus.emotions[hinted])
    return {
        family: score(
            probe.predict(np.stack([_pixels(picture) for picture in faces.pictures])),
            faces.emotions,
        )
        for family, faces in families.items()
    }


def _on_white(premultiplied: np.ndarray) -> Image.Image:
    """A cached picture (C, C, 4) uint8 laid on white."""
    whole = premultiplied[..., :3].astype(np.uint16) + (255 - premultiplied[..., 3:])
    return Image.fromarray(whole.clip(0, 255).astype(np.uint8))


def _pixels(picture: Image.Image) -> np.ndarray:
    """The picture on white as 16 x 16 x 3 numbers from 0 to 1, flattened (768,)."""
    rgba = picture.convert("RGBA")
    white = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    small = white.resize((_PIXEL_SIDE_PX, _PIXEL_SIDE_PX), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32).ravel() / 255


def main(argv: Sequence[str] | None = None) -> None:
    """Scores model folders on all held-out families and logs the look."""
    parser = argparse.ArgumentParser(description="Score small CLIPs on unseen artist families.")
    parser.add_argument("--corpus", type=Path, required=True, help="folder with the parquet files")
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="model folders")
    parser.add_argument("--out", type=Path, required=True, help="folder for results and log")
    parser.add_argument("--why", required=True, help="reason for this look, for the log")
    args = parser.parse_args(argv)
    faces = read_faces(args.corpus, (*TEST_FAMILIES, *CHOICE_FAMILIES))
    models = [_score_model(folder, faces) for folder in args.models]
    results = {
        "chance": 1 / len(EMOTIONS),
        "prompts_sha256": load_prompts().sha256,
        "models": models,
        "pixels_16_linear_probe": pixel_probe(read_corpus(args.corpus), faces),
    }
    (args.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    for model in models:
        _log_look(args.out / LOOKS_NAME, args.why, model)
        print({family: found["accuracy"] for family, found in model["zero_shot"].items()})
    card = args.out / _CARD_NAME
    if card.exists():
        head, rest = card.read_text(encoding="utf-8").split(_CARD_BEGIN)
        tail = rest.split(_CARD_END)[1]
        card.write_text(head + _CARD_BEGIN + card_tables(results) + _CARD_END + tail, "utf-8")


def card_tables(results: Mapping[str, Any]) -> str:
    """Two Markdown tables: accuracy per family of all models, and of the first per emotion."""
    models, probe = results["models"], results["pixels_16_linear_probe"]
    seeds = [f"seed {model['training']['settings']['seed']}" for model in models]
    lines = ["", _table_row(["family", "n", *seeds, "16 x 16 pixels", "majority", "chance"])]
    lines.append("|---" * (len(seeds) + 5) + "|")
    for family, found in models[0]["zero_shot"].items():
        scores = [_with_interval(model["zero_shot"][family]) for model in models]
        rest = [_with_interval(probe[family]), f"{found['majority']:.2f}", "0.12"]
        lines.append(_table_row([family, str(found["n"]), *scores, *rest]))
    means = [f"{model['mean_of_twemoji_and_openmoji']:.2f}" for model in models]
    lines.append(_table_row(["mean of twemoji, openmoji", "", *means, "", "", ""]))
    lines += ["", f"Right of all, {seeds[0]}:", "", _table_row(["family", *EMOTIONS])]
    lines.append("|---" * (len(EMOTIONS) + 1) + "|")
    for family, found in models[0]["zero_shot"].items():
        hits = found["right_of_all"]
        cells = ["/".join(map(str, hits[name])) if name in hits else "–" for name in EMOTIONS]
        lines.append(_table_row([family, *cells]))
    return "\n".join([*lines, "", ""])


def _table_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _with_interval(found: Mapping[str, Any]) -> str:
    low, high = found["interval95"]
    return f"{found['accuracy']:.2f} [{low:.2f}, {high:.2f}]"


def _score_model(folder: Path, faces: Mapping[str, Faces]) -> dict[str, Any]:
    encoder = load(f"local-dir:{folder}")
    found = evaluate(encoder, load_prompts(), faces)
    mean = (found["twemoji"]["accuracy"] + found["openmoji"]["accuracy"]) / 2
    return {
        "training": json.loads((folder / "training.json").read_text()),
        "weights_sha256": encoder.weights_sha256,
        "mean_of_twemoji_and_openmoji": round(mean, 4),
        "zero_shot": found,
    }


def _log_look(path: Path, why: str, model: Mapping[str, Any]) -> None:
    """Adds one line per scored model: when, which weights, why, and what was seen."""
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(["date", "weights_sha256", "why", *TEST_FAMILIES])
        seen = [model["zero_shot"][family]["accuracy"] for family in TEST_FAMILIES]
        today = datetime.now(UTC).date().isoformat()
        writer.writerow([today, model["weights_sha256"], why, *seen])


if __name__ == "__main__":
    main()
