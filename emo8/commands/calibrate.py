"""`emo8 calibrate`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "learn from labelled rows how sure CLIP's claims really are"
DESCRIPTION = """\
Fits a temperature and class offsets on the rows of BUILD that people or their source labelled, and
says by cross-validation (copies stay together) what that does: expected calibration error before
and after, and the accuracy at every coverage. Writes BUILD/tables/calibration.json and
BUILD/report/calibration.png; the next `emo8 build` applies it, and labels.max_risk then abstains
where CLIP is wrong too often. A style gets its own fit where it has labels.calibration_min_rows
labelled rows. No picture is decoded.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", type=Path, metavar="BUILD")
    parser.add_argument("--json", action="store_true", help="the file's content, for scripts")


def run(arguments: argparse.Namespace) -> int:
    import json

    from emo8.engine import build_folder
    from emo8.labels import calibration
    from emo8.report.page import calibrate_build

    resolved = build_folder.require_build(arguments.build)
    with build_folder.writing(arguments.build):
        content = calibrate_build(arguments.build, resolved)
    if arguments.json:
        print(json.dumps(content, indent=2))
        return 0
    print(f"{'':<20}{'rows':>6}{'accuracy':>10}{'ECE before':>12}{'after':>8}{'at half':>9}")
    for name, entry in {"all": content["all"], **content["styles"]}.items():
        if "curve" not in entry:
            print(f"{name:<20}{entry['n']:>6}  {entry['note']}")
            continue
        before, after = entry["before"], entry["after"]
        print(
            f"{name:<20}{entry['n']:>6}{after['accuracy']:>10.3f}{before['ece']:>12.3f}"
            f"{after['ece']:>8.3f}{after['accuracy_at_half_coverage']:>9.3f}"
        )
    print(f"\napply {calibration.NAME}: emo8 build RECIPE -o {arguments.build}")
    return 0
