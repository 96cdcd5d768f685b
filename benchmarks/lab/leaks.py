"""How many planted leaks the fingerprints of a benchmark find, and how many clean pictures match.

    python -m benchmarks.lab.leaks --pictures 'corpus/images-*.parquet' --half odd \\
        --out benchmarks/results/leaks

Some pictures of every style are the benchmark; copies of every kind (plants.py) of them
are the leaks, other pictures are clean. Every threshold of the grid is measured in one run; the
last line is that of the recipe's defaults. Clean pictures may hold real copies of the benchmark:
pairs that `--judged` (as in benchmarks/lab/copies.py) calls copies are left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.lab.copies import read_judged, share
from benchmarks.lab.output import tell_with_table
from benchmarks.lab.scenes import Scene, add_arguments, scene_of
from emo8.core.settings import LeaksConfig
from emo8.duplicates import fingerprints
from emo8.duplicates.fingerprints import About, Prints

DISTANCES = (10, 15, 20, 25, 30, 40)
SIMS = (0.0, 0.8, 0.9, 0.95)


def prints(scene: Scene, rows: np.ndarray) -> Prints:
    """Fingerprints of some rows of a scene, as `emo8 leaks take` would take them."""
    views = scene.views
    detail = np.array(
        [[fingerprints.detail_hash(thumb) for thumb in views.thumbs[row]] for row in rows]
    )
    windows = [fingerprints.window_hashes(views.thumbs[row, 0]) for row in rows]
    ids = [str(row) for row in rows]
    return Prints(
        about=About(name="planted", model="", weights_sha256=""),
        ids=ids,
        sha256=ids,  # nothing equals: only changed copies count
        pixel_sha256=ids,
        detail=detail,
        windows=np.array(windows),
        embedding=views.embedding[rows],
    )


def measure(scene: Scene, judged: set[frozenset[str]]) -> dict[str, Any]:
    facts = scene.facts
    planted = facts.groupby("family")["kind"].transform("count") > 1
    original = (facts["kind"] == "original").to_numpy()
    benchmark = np.flatnonzero(planted & original)
    asked = np.flatnonzero(~(planted & original))
    mine, theirs = prints(scene, asked), prints(scene, benchmark)
    told = facts.iloc[asked].reset_index(drop=True)
    default = LeaksConfig()
    grid = [(distance, sim) for distance in DISTANCES for sim in SIMS]
    lines = []
    for distance, sim in [*grid, (default.max_distance, default.min_sim)]:
        found = fingerprints.match(mine, theirs, max_distance=distance, min_sim=sim)
        hit = found.row >= 0
        of = facts.iloc[benchmark[np.maximum(found.row, 0)]].reset_index(drop=True)
        right = hit & (of["family"] == told["family"]).to_numpy()
        real = [frozenset(pair) in judged for pair in zip(told["sha256"], of["sha256"])]
        false = hit & ~right & ~np.array(real) & (told["kind"] == "original").to_numpy()
        named = told.assign(hit=hit, false=false)
        leaks, clean = named[named["kind"] != "original"], named[named["kind"] == "original"]
        lines.append(
            {
                "max_distance": distance,
                "min_sim": sim,
                "leaks": len(leaks),
                "stopped": int(leaks["hit"].sum()),
                "clean": len(clean),
                "clean_stopped": int(clean["false"].sum()),
                "by_kind": _counts(leaks, "kind"),
                "by_style": _counts(leaks, "style"),
                "clean_by_style": clean.groupby("style")["false"].sum().astype(int).to_dict(),
            }
        )
    return {"grid": lines[:-1], "default": lines[-1]}


def _counts(rows: pd.DataFrame, key: str) -> dict[str, list[int]]:
    """Stopped and planted leaks by a column."""
    told = rows.groupby(key)["hit"].agg(["sum", "count"])
    return {str(name): [int(line["sum"]), int(line["count"])] for name, line in told.iterrows()}


def table(result: dict[str, Any]) -> str:
    default = result["default"]
    return "\n".join(
        [
            "# Leaks: planted ones stopped, clean pictures stopped\n",
            f"`{result['command']}`. In brackets: 95 % Wilson intervals.\n",
            f"Defaults ({default['max_distance']} bits, cosine {default['min_sim']}): "
            f"{share(default['stopped'], default['leaks'])} of {default['leaks']} leaks stopped, "
            f"{share(default['clean_stopped'], default['clean'])} of {default['clean']} clean "
            "pictures.\n",
            "| kind | stopped |\n|---|---|",
            *(f"| {name} | {share(*pair)} |" for name, pair in default["by_kind"].items()),
            *(f"| {name} | {share(*pair)} |" for name, pair in default["by_style"].items()),
            "\n| max_distance | min_sim | leaks stopped | clean stopped |\n|---|---|---|---|",
            *(
                f"| {line['max_distance']} | {line['min_sim']} "
                f"| {line['stopped'] / line['leaks']:.3f} "
                f"| {line['clean_stopped'] / line['clean']:.4f} |"
                for line in result["grid"]
            ),
            "",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="without suffix: .md and .json")
    arguments = parser.parse_args(argv)
    scene = scene_of(arguments)
    result = measure(scene, read_judged(arguments.judged))
    given = " ".join(argv if argv is not None else sys.argv[1:])
    result["command"] = f"python -m benchmarks.lab.leaks {given}"
    tell_with_table(result, table(result), arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
