"""`emo8 prompts`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "score: which templates and words name emotions best on labelled pictures"
DESCRIPTION = """\
  emo8 prompts score --data DATA [--prompts FILE] [--model embedded] [--where COLUMN=VALUE,VALUE]

Ranks every template (alone) and every word (as the only word of its emotion) of a prompts file on
the rows of DATA that a person or a source labelled, with 95% bootstrap intervals. DATA is a parquet
file with `image` and `emotion`, or a folder such as BUILD/dataset. A gain whose interval holds zero
is no reason to change anything. Choose on one part of your data and check on another.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["score"], help="what to do")
    parser.add_argument("--data", required=True, metavar="DATA", help="labelled rows")
    parser.add_argument("--prompts", type=Path, metavar="FILE", help="default: the ones shipped")
    parser.add_argument("--model", default="embedded", metavar="M", help="as in labels.clip")
    parser.add_argument("--where", default="", metavar="COLUMN=VALUES", help="only these rows")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the bootstrap")
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    import dataclasses
    import json

    from emo8.core.images import decode
    from emo8.dataset.labelled_pictures import read_labelled
    from emo8.labels.clip.encoder import load
    from emo8.labels.clip.prompts import load_prompts
    from emo8.labels.clip.scoring import emotion_counts, score_prompts

    prompts = load_prompts(arguments.prompts)
    pictures, truth = read_labelled(arguments.data, arguments.where)
    encoder = load(arguments.model.removeprefix("open_clip:"))
    vectors = encoder.embed_images(decode(data).rgb for data in pictures)
    scores = score_prompts(encoder, prompts, vectors, truth, seed=arguments.seed)
    if arguments.json:
        content = {
            "model": encoder.name,
            "weights_sha256": encoder.weights_sha256,
            "prompts_sha256": prompts.sha256,
            "counts": emotion_counts(truth),
            "scores": [dataclasses.asdict(score) for score in scores],
        }
        print(json.dumps(content, indent=1))
        return 0
    counts = ", ".join(f"{n} {name}" for name, n in emotion_counts(truth).items())
    print(f"{len(truth)} pictures: {counts}")
    print(f"{'':<10}{'F1':>6}{'interval':>16}{'gain':>8}{'interval':>18}  text")
    for score in scores:
        text = f"{score.emotion}: {score.text}" if score.emotion else score.text
        interval = f"[{score.low:.3f}, {score.high:.3f}]"
        gain = f"[{score.gain_low:+.3f}, {score.gain_high:+.3f}]"
        print(
            f"{score.kind:<10}{score.value:>6.3f}{interval:>16}{score.gain_over_all:>+8.3f}"
            f"{gain:>18}  {text}"
        )
    return 0
