"""`emo8 decide`."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emo8.commands import at_least, refuse_unread

if TYPE_CHECKING:
    from emo8.pipeline.try_thresholds import Trial

HELP = "show the thresholds of a build, and what others would change"
DESCRIPTION = """\
Without --try: every threshold, how many rows it makes leave, and how its number is spread.
With --try: which rows would leave or return, in seconds, with example pictures. Nothing in the
build changes: to keep a threshold, write it into the recipe and run `emo8 build`, which redoes no
part.

  emo8 decide BUILD
  emo8 decide BUILD --try min_side_px=128 --try style.cartoon.min_sharpness=20
"""

DEEDS = {"settings": ("sheet", "examples", "json"), "": ("json",)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", type=Path, metavar="BUILD")
    parser.add_argument(
        "--try",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a threshold of [decide], or style.NAME.KEY=VALUE; may be given again",
    )
    parser.add_argument(
        "--sheet",
        type=Path,
        metavar="PNG",
        help="where the example pictures go (default: BUILD/report/decide.png)",
    )
    parser.add_argument(
        "--examples",
        type=partial(at_least, 0),
        default=12,
        metavar="N",
        help="pictures per group (default: 12)",
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    from emo8.pipeline import try_thresholds

    refuse_unread(arguments, DEEDS)
    config = try_thresholds.thresholds_of(arguments.build)
    wanted = try_thresholds.changed(config, arguments.settings)
    with try_thresholds.numbers_of(arguments.build) as db:
        if not arguments.settings:
            _print_thresholds(try_thresholds.summary(db, config), arguments.json)
            return 0
        trial = try_thresholds.compare(db, wanted, arguments.examples)
    sheet = arguments.sheet or arguments.build / "report" / "decide.png"
    _write_sheet(arguments.build, trial, sheet)
    _print_trial(trial, arguments.settings, sheet, arguments.json)
    return 0


def _print_thresholds(lines: list[dict[str, object]], as_json: bool) -> None:
    import json

    if as_json:
        print(json.dumps(lines, indent=2))
        return
    print(f"{'threshold':<20}{'value':>8}{'leave':>8}   1%, 10%, 50%, 90%, 99% of all rows")
    for line in lines:
        quantiles = line["quantiles"]
        assert isinstance(quantiles, list)
        spread = "  ".join(f"{value:.4g}" for value in quantiles)
        print(f"{line['threshold']:<20}{line['value']:>8}{line['rows']:>8}   {spread}")
        if line["styles"]:
            print(f"{'':<20}{line['styles']}")


def _write_sheet(build: Path, trial: Trial, sheet: Path) -> None:
    from emo8.pipeline.try_thresholds import examples
    from emo8.report.contact_sheet import Group, Layout, Tile, png, thumbnail

    layout, groups = Layout(text_lines=3), []
    for name, counts, rows in (
        ("would leave", trial.leaving, trial.shown_leaving),
        ("would return", trial.returning, trial.shown_returning),
    ):
        if counts:
            shown = examples(build, rows)
            tiles = [Tile(picture=thumbnail(data, layout), text=line) for data, line in shown]
            groups.append(Group(title=f"{sum(counts.values())} {name}", tiles=tiles))
    sheet.parent.mkdir(parents=True, exist_ok=True)
    sheet.write_bytes(png(groups or [Group(title="nothing would change", tiles=[])], layout))


def _print_trial(trial: Trial, settings: list[str], sheet: Path, as_json: bool) -> None:
    import json

    leaving, returning, kept = trial.leaving, trial.returning, trial.kept
    if as_json:
        answer = {"try": settings, "leaving": leaving, "returning": returning, "kept": kept}
        print(json.dumps({**answer, "orphaned_copies": trial.orphans, "sheet": str(sheet)}))
        return
    for title, found in (("would leave", leaving), ("would return", returning)):
        for reason, count in found.items():
            print(f"{count:>8} {title}: {reason}")
    if not leaving and not returning:
        print("nothing would change")
    for style, (before, after) in kept.items():
        print(f"{style:<20} kept {before} -> {after}")
    if trial.orphans:
        print(f"{trial.orphans} copies of rows that would leave may take their place")
    print(f"examples: {sheet}\nnothing was changed; to keep it, put it under [decide] and build")
