"""Precision and recall of near copies, on planted copies and on look-alikes that are none.

    python -m benchmarks.lab.copies --pictures 'corpus/images-*.parquet' \\
        --lookalikes corpus/emotion_faces.parquet --out benchmarks/results/duplicates

Copies of every kind (plants.py) of some pictures of every style go among other pictures
of that style, and everything is searched and judged as a build does it. Look-alikes are drawings
of one code point by different artists, and different drawings by one artist.

The pictures may hold real copies of one another. `--judged` names pairs that a person looked at
(CSV: left, right as SHA-256 of the bytes, verdict "copy" or "other"): a pair judged a copy is none
of the false drops. `--half` takes the pictures whose SHA-256 is even or odd, so that thresholds
are chosen on one half and reported on the other.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.lab.output import tell_with_table
from benchmarks.lab.scenes import Scene, add_arguments, lookalike_scene, scene_of
from emo8.core.settings import DecideConfig
from emo8.core.stats import wilson
from emo8.duplicates import clusters, find
from emo8.duplicates.candidates import candidates


def search(scene: Scene, config: DecideConfig) -> pd.DataFrame:
    """The measured candidate pairs of a scene."""
    pairs = candidates(scene.views, config)
    return find.measured(scene.views, pairs, config.min_crop_sim)


def copies(scene: Scene, found: pd.DataFrame, config: DecideConfig) -> np.ndarray:
    """(P, 2) pairs judged copies."""
    told = find.judged(found, find.limits_of(scene.facts["style"].tolist(), config))
    pairs: np.ndarray = told.loc[told["verdict"] == "copy", ["left", "right"]].to_numpy(np.int64)
    return pairs


def recall(scene: Scene, pairs: np.ndarray, found: pd.DataFrame) -> pd.DataFrame:
    """Per kind and style: copies planted, candidates named, copies joined to their original."""
    facts = scene.facts
    root = clusters.roots(len(facts), _inside(facts, pairs))
    original = facts[facts["kind"] == "original"].reset_index().set_index("family")["index"]
    planted = facts[facts["kind"] != "original"]
    own = planted["family"].map(original).to_numpy()
    named = set(zip(found["left"].tolist(), found["right"].tolist()))
    candidate = [
        (min(a, b), max(a, b)) in named for a, b in zip(own.tolist(), planted.index.tolist())
    ]
    told = planted.assign(candidate=candidate, found=root[planted.index.to_numpy()] == root[own])
    grouped = told.groupby(["kind", "style"], sort=True)[["candidate", "found"]]
    return (
        grouped.agg(["sum", "count"])
        .droplevel(0, axis=1)
        .set_axis(["candidates", "planted", "found", "_"], axis=1)
        .drop(columns="_")
        .reset_index()
    )


def _inside(facts: pd.DataFrame, pairs: np.ndarray) -> np.ndarray:
    family = facts["family"].to_numpy()
    return pairs[family[pairs[:, 0]] == family[pairs[:, 1]]]


def false_drops(scene: Scene, pairs: np.ndarray, judged: set[frozenset[str]]) -> pd.DataFrame:
    """Per style: families, and those that leave because another family is taken for a copy.

    Joined families that a person called copies (`judged`, pairs of SHA-256) are told apart.
    """
    facts = scene.facts
    family = facts["family"].to_numpy()
    joined = np.stack([family[pairs[:, 0]], family[pairs[:, 1]]], axis=1)
    joined = np.unique(np.sort(joined[joined[:, 0] != joined[:, 1]], axis=1), axis=0)
    digest = facts.groupby("family")["sha256"].first()
    real = np.array(
        [frozenset((digest[a], digest[b])) in judged for a, b in joined.tolist()], dtype=bool
    )
    style = facts.groupby("family")["style"].first()
    told = pd.DataFrame({"style": style})
    for name, some in (("leave", joined), ("false_drops", joined[~real])):
        order = np.arange(int(family.max()) + 1)
        keeper = clusters.survivors(len(order), some.astype(np.int64), order)
        told[name] = pd.Series(keeper != order).loc[style.index]
    grouped = told.groupby("style").agg(["sum", "count"])
    flat = grouped.droplevel(0, axis=1).set_axis(["leave", "pictures", "false_drops", "_"], axis=1)
    return flat.drop(columns="_").reset_index()


def precision(scene: Scene, pairs: np.ndarray, judged: set[frozenset[str]]) -> dict[str, int]:
    """Pairs judged copies: of one planted family, called copies by a person, and others."""
    facts = scene.facts
    left, right = facts.iloc[pairs[:, 0]], facts.iloc[pairs[:, 1]]
    planted = left["family"].to_numpy() == right["family"].to_numpy()
    real = np.array(
        [frozenset(pair) in judged for pair in zip(left["sha256"], right["sha256"])], dtype=bool
    )
    return {
        "planted": int(planted.sum()),
        "real": int((real & ~planted).sum()),
        "false": int((~real & ~planted).sum()),
    }


def read_judged(path: Path | None) -> set[frozenset[str]]:
    """Pairs (SHA-256) that a person called copies."""
    if path is None:
        return set()
    table = pd.read_csv(path, comment="#")
    copies = table[table["verdict"] == "copy"]
    return {frozenset(pair) for pair in zip(copies["left"], copies["right"])}


def lookalike_pairs(scene: Scene, pairs: np.ndarray) -> dict[str, Any]:
    """How many pairs of look-alikes there are, and how many were judged copies."""
    facts = scene.facts
    vendor, point = facts["vendor"].to_numpy(), facts["codepoint"].fillna("").to_numpy()
    left, right = np.triu_indices(len(facts), 1)
    same_point = (point[left] == point[right]) & (point[left] != "")
    kinds = {
        "one code point, two artists": same_point & (vendor[left] != vendor[right]),
        "one artist, two drawings": vendor[left] == vendor[right],
        "neither": ~same_point & (vendor[left] != vendor[right]),
    }
    judged = np.zeros((len(facts), len(facts)), bool)
    judged[pairs[:, 0], pairs[:, 1]] = True
    return {
        name: {"pairs": int(mask.sum()), "judged_copies": int(judged[left, right][mask].sum())}
        for name, mask in kinds.items()
    }


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    config = DecideConfig()
    judged = read_judged(arguments.judged)
    scene = scene_of(arguments)
    found = search(scene, config)
    pairs = copies(scene, found, config)
    result: dict[str, Any] = {
        "command": "python -m benchmarks.lab.copies " + " ".join(arguments.argv),
        "seed": arguments.seed,
        "model": arguments.model,
        "recall": recall(scene, pairs, found).to_dict("records"),
        "precision": precision(scene, pairs, judged),
        "false_drops": false_drops(scene, pairs, judged).to_dict("records"),
    }
    if arguments.pairs:
        family = scene.facts["family"].to_numpy()
        same = family[found["left"]] == family[found["right"]]
        kinds = scene.facts[["kind", "style"]]
        found = found.assign(
            same=same,
            kind=kinds["kind"].to_numpy()[found["right"]],
            kind_left=kinds["kind"].to_numpy()[found["left"]],
            style=kinds["style"].to_numpy()[found["left"]],
        )
        found.to_parquet(arguments.pairs)
    if arguments.lookalikes:
        alike = lookalike_scene(arguments.lookalikes, arguments.model)
        taken = copies(alike, search(alike, config), config)
        result["lookalikes"] = {
            "pairs": lookalike_pairs(alike, taken),
            **false_drops(alike, taken, judged).to_dict("records")[0],
        }
    return result


def table(result: dict[str, Any]) -> str:
    """The result as a page."""
    told, right = pd.DataFrame(result["recall"]), result["precision"]
    named = told["candidates"].sum() / told["planted"].sum()
    pairs = sum(right.values())
    lines = [
        "# Near copies: recall on planted copies, false drops on everything else\n",
        f"`{result['command']}`, seed {result['seed']}, CLIP `{result['model']}`.\n",
        f"Recall {share(told['found'].sum(), told['planted'].sum())} on "
        f"{told['planted'].sum()} planted copies; the search alone names {named:.1%} of them with "
        "their original directly. In brackets: 95 % Wilson intervals.\n",
        _recall_table(told),
        f"\nPrecision: of {pairs} pairs judged copies {right['planted']} are of one planted "
        f"family, {right['real']} more are copies that a person found among the pictures, "
        f"{right['false']} are neither ({share(pairs - right['false'], pairs)} right).\n",
        "Pictures that leave although no copy of them was planted; false drops are those that no "
        "pair called a copy by a person explains:\n",
        "| style | pictures | leave | false drops | rate |\n|---|---|---|---|---|",
        *(
            f"| {row['style']} | {row['pictures']} | {row['leave']} | {row['false_drops']} "
            f"| {share(row['false_drops'], row['pictures'])} |"
            for row in result["false_drops"]
        ),
    ]
    if "lookalikes" in result:
        alike = result["lookalikes"]
        lines += [
            f"\nLook-alikes: {alike['false_drops']} of {alike['pictures']} drawings leave "
            f"({share(alike['false_drops'], alike['pictures'])}).\n",
            "| pairs of | pairs | judged copies | rate |\n|---|---|---|---|",
            *(
                f"| {name} | {row['pairs']} | {row['judged_copies']} "
                f"| {row['judged_copies'] / row['pairs']:.2%} |"
                for name, row in alike["pairs"].items()
            ),
        ]
    return "\n".join(lines) + "\n"


def share(found: int, total: int) -> str:
    low, high = wilson(int(found), int(total))
    return f"{found / total:.3f} [{low:.3f}, {high:.3f}]"


def _recall_table(told: pd.DataFrame) -> str:
    """Kinds down, styles across; intervals where kinds or styles are taken together."""
    styles = sorted(told["style"].unique())
    head = [f"| kind | {' | '.join(styles)} | all styles |", "|---|" + "---|" * (len(styles) + 1)]
    body = []
    for kind, rows in told.groupby("kind", sort=True):
        rate = rows.set_index("style")["found"] / rows.set_index("style")["planted"]
        cells = " | ".join(f"{rate[style]:.3f}" for style in styles)
        body.append(f"| {kind} | {cells} | {share(rows['found'].sum(), rows['planted'].sum())} |")
    total = told.groupby("style")[["found", "planted"]].sum()
    cells = " | ".join(share(*total.loc[style, ["found", "planted"]]) for style in styles)
    body.append(f"| all kinds | {cells} | {share(told['found'].sum(), told['planted'].sum())} |")
    return "\n".join(head + body)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--lookalikes", help="parquet with image, vendor, codepoint, name")
    parser.add_argument("--pairs", help="parquet for every pair compared, to choose thresholds")
    parser.add_argument("--out", type=Path, required=True, help="without suffix: .md and .json")
    arguments = parser.parse_args(argv)
    arguments.argv = list(argv if argv is not None else sys.argv[1:])
    result = measure(arguments)
    tell_with_table(result, table(result), arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
