"""Where the embedded CLIP can be believed: a plane through its embeddings, and what it is worth.

    python -m benchmarks.lab.embedded_clip.domain --corpus CORPUS --cache /tmp/vectors.npz

writes `domain.json` beside the weights and the table of docs/labels.md. The direction is learned
from the model's own training pictures: drawings against the 399 others (logistic regression,
classes weighed equally). The border is the farthest at which pictures of the held-out styles
CHOICE get a wrong style at high confidence in at most MAX_WRONG of all cases; nobody trained on
them. Photographs (style natural) and five unseen families of drawings take no part in either, and
test it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.lab.embedded_clip.corpus import ALLOWED, HELD_OUT
from emo8.core.images import decode
from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.labels.clip.domain import NAME, Domain
from emo8.labels.clip.encoder import Encoder, load
from emo8.labels.clip.models import EMBEDDED, EMBEDDED_DIR
from emo8.labels.clip.prompts import load_prompts
from emo8.labels.clip.zeroshot import classifier, probabilities

DRAWN = "cartoon"
CHOICE = ("realistic", "science_fiction", "advertising_cover")
HIGH = 0.7  # a claim this probable or more is one at high confidence
MAX_WRONG = 0.1
CUT_OUT = "tuxpaint-stamps-default"  # photographs of things without their ground
_NEIGHBOURS = 10
_DECIMALS = 5
_DOCS = Path("docs") / "labels.md"
_BEGIN, _END = "<!-- domain: written by benchmarks.lab.embedded_clip.domain -->\n", "<!-- end -->"


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures of the corpus as the model sees them, aligned rows of N."""

    vectors: np.ndarray  # (N, D)
    styles: np.ndarray  # (N,) names
    packages: np.ndarray  # (N,) names
    trained: np.ndarray  # (N,) whether the model learned from it
    unseen_artist: np.ndarray  # (N,) whether it is of a family that was held out
    style_prob: np.ndarray  # (N, 5)
    emotion_prob: np.ndarray  # (N, 8)

    @property
    def wrong(self) -> np.ndarray:
        """(N,) whether a wrong style is claimed at high confidence."""
        said = np.array(STYLES)[self.style_prob.argmax(axis=1)]
        return np.asarray((said != self.styles) & (self.style_prob.max(axis=1) >= HIGH))

    @property
    def groups(self) -> dict[str, np.ndarray]:
        """The tested groups of pictures that nobody trained on."""
        new = ~self.trained
        whole = self.packages != CUT_OUT
        return {
            "drawings by five artists it never saw": self.unseen_artist,
            "other drawings, mostly clip art and game art": new
            & (self.styles == DRAWN)
            & ~self.unseen_artist,
            "natural: photographs": new & (self.styles == "natural") & whole,
            "natural: photographs of things, cut out": new & (self.styles == "natural") & ~whole,
            **{f"{style} (chose the border)": new & (self.styles == style) for style in CHOICE},
        }


def read(corpus: Path, cache: Path | None) -> Pictures:
    """The pictures of a corpus folder, embedded or as `cache` remembers them."""
    columns = ["id", "image", "style", "license", "source_package"]
    tables = [pq.read_table(path, columns=columns) for path in sorted(corpus.glob("images-*"))]
    rows = [row for table in tables for row in table.drop_columns(["image"]).to_pylist()]
    encoder = load(EMBEDDED)
    if cache is not None and cache.exists():
        vectors = np.load(cache)["vectors"]
    else:
        images = (image for table in tables for image in table["image"].to_pylist())
        data = (image["bytes"] if isinstance(image, dict) else image for image in images)
        vectors = encoder.embed_images(decode(one).rgb for one in data)
        if cache is not None:
            np.savez(cache, vectors=vectors)
    held_out = np.array([bool(HELD_OUT.search(row["source_package"])) for row in rows])
    allowed = np.array([bool(ALLOWED.match(row["license"])) for row in rows])
    prompts = load_prompts()
    return Pictures(
        vectors=vectors,
        styles=np.array([row["style"] for row in rows]),
        packages=np.array([row["source_package"] for row in rows]),
        trained=allowed & ~held_out,
        unseen_artist=held_out,
        style_prob=_asked(encoder, vectors, prompts.style, STYLES),
        emotion_prob=_asked(encoder, vectors, prompts.emotion, EMOTIONS),
    )


def _asked(encoder: Encoder, vectors: np.ndarray, texts: Any, names: tuple[str, ...]) -> np.ndarray:
    weights = classifier(encoder, texts, names)
    return probabilities(vectors, weights, logit_scale=encoder.logit_scale)


def learned(pictures: Pictures) -> Domain:
    """The plane between the drawings and the other training pictures, at the chosen border."""
    from sklearn.linear_model import LogisticRegression

    own = pictures.trained
    probe = LogisticRegression(C=10, max_iter=3000, class_weight="balanced")
    probe.fit(pictures.vectors[own], pictures.styles[own] != DRAWN)
    direction = probe.coef_[0].astype(np.float64).round(_DECIMALS)
    away = pictures.vectors @ direction
    choice = ~own & np.isin(pictures.styles, CHOICE)
    wrong = np.sort(away[choice & pictures.wrong])
    border = wrong[int(MAX_WRONG * choice.sum())]  # so many of the wrong claims lie nearer
    return Domain(direction=tuple(direction.tolist()), border=float(round(border, _DECIMALS)))


def nearest_auc(pictures: Pictures) -> float:
    """How well the distance to the nearest training drawings tells photographs from new drawings.

    The area under the curve of true over false alarms; 0.5 is chance.
    """
    from sklearn.metrics import roc_auc_score

    known = pictures.vectors[pictures.trained & (pictures.styles == DRAWN)]
    groups = list(pictures.groups.values())
    distance = []
    for group in (groups[0], groups[2]):
        similar = pictures.vectors[group] @ known.T
        distance.append(-np.partition(similar, -_NEIGHBOURS, axis=1)[:, -_NEIGHBOURS])
    truth = np.repeat([0, 1], [len(found) for found in distance])
    return float(roc_auc_score(truth, np.concatenate(distance)))


def measured(pictures: Pictures, domain: Domain) -> dict[str, dict[str, Any]]:
    """Per group: n, the share inside, and of all the claims at high confidence before and after."""
    inside = domain.holds(pictures.vectors)
    sure = pictures.emotion_prob.max(axis=1) >= HIGH
    return {
        name: {
            "n": int(group.sum()),
            "inside": _share(inside[group]),
            "wrong_style_before": _share(pictures.wrong[group]),
            "wrong_style_after": _share((pictures.wrong & inside)[group]),
            "sure_emotion_before": _share(sure[group]),
            "sure_emotion_after": _share((sure & inside)[group]),
        }
        for name, group in pictures.groups.items()
    }


def _share(found: np.ndarray) -> float:
    return round(float(found.mean()), 4)


def table(groups: dict[str, dict[str, Any]]) -> str:
    """The measured shares as Markdown."""
    lines = [
        "| pictures nobody trained on | n | believed | wrong style at 0.7 and more: before | now |"
        " emotion at 0.7 and more: before | now |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in groups.items():
        shares = [f"{found[key]:.1%}" for key in list(found)[1:]]
        lines.append(f"| {name} | {found['n']:,} | {' | '.join(shares)} |".replace("%", " %"))
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Learn the domain, measure it, and write both where they are read."""
    parser = argparse.ArgumentParser(description="Where the embedded CLIP can be believed.")
    parser.add_argument("--corpus", type=Path, required=True, help="folder with the parquet files")
    parser.add_argument("--cache", type=Path, help="file that keeps the embeddings")
    args = parser.parse_args(argv)
    pictures = read(args.corpus, args.cache)
    domain = learned(pictures)
    groups = measured(pictures, domain)
    content = {
        "direction": domain.direction,
        "border": domain.border,
        "auc_of_nearest_neighbours": round(nearest_auc(pictures), 4),
        "measured": groups,
    }
    text = json.dumps({k: v for k, v in content.items() if k != "direction"}, indent=1)
    line = json.dumps(content["direction"])
    (EMBEDDED_DIR / NAME).write_text(f'{{"direction": {line},\n{text[2:]}\n', "utf-8")
    page = _DOCS.read_text(encoding="utf-8")
    head, rest = page.split(_BEGIN)
    _DOCS.write_text(head + _BEGIN + table(groups) + _END + rest.split(_END, 1)[1], "utf-8")
    print(table(groups), content["auc_of_nearest_neighbours"])


if __name__ == "__main__":
    main()
