"""The `emo8` command: parse, call, print. What a command needs is imported when it runs.

Exit codes: 0 done; 1 something failed that was not your mistake; 2 your mistake, named; 130
interrupted; 141 whoever read the output stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import ModuleType

from emo8.commands import (
    browse,
    build,
    calibrate,
    decide,
    demo,
    doctor,
    hydrate,
    leaks,
    prompts,
    publish,
    remove,
    report,
    review,
    search,
    status,
    verify,
)
from emo8.core.version import __version__

COMMANDS: dict[str, ModuleType] = {
    "demo": demo,
    "build": build,
    "status": status,
    "decide": decide,
    "report": report,
    "browse": browse,
    "review": review,
    "calibrate": calibrate,
    "prompts": prompts,
    "leaks": leaks,
    "publish": publish,
    "verify": verify,
    "remove": remove,
    "search": search,
    "hydrate": hydrate,
    "doctor": doctor,
}
# what these commands are called since version 0.2; the old names answer for one version
RENAMED = {
    "failures": "emo8 status BUILD --failures",
    "duplicates": "emo8 report BUILD --duplicates",
    "queries": "emo8 search queries -o queries.csv",
    "diff": "emo8 publish A B --diff",
    "fingerprint": "emo8 leaks take DATA -o F.parquet",
    "check-splits": "emo8 leaks check DATA",
    "import": 'emo8 build with `layout = "auto"` in the recipe (docs/examples/released.toml)',
}
DESCRIPTION = """\
Build, label and publish emotion datasets of images.

  emo8 demo                          see all of it work, offline, in a few minutes
  emo8 build recipe.toml -o BUILD    pictures -> BUILD/dataset, ready for load_dataset
  emo8 status BUILD                  what came in, what left and why, what is stale or failed
  emo8 decide BUILD --try KEY=VALUE  what another threshold would change, with pictures
  emo8 report BUILD                  one page: balance, confidence, agreement, samples, duplicates
  emo8 browse BUILD                  look and tag in the FiftyOne App
  emo8 review BUILD                  people's votes in and out, and how far they agree
  emo8 calibrate BUILD               learn from labelled rows how sure CLIP really is
  emo8 prompts score --data DATA     which templates and words name emotions best
  emo8 leaks take|check DATA         fingerprints of a benchmark; copies across splits
  emo8 publish BUILD user/name       check, publish to the Hub (or --to DIR), read back
  emo8 verify DATASET                whether a published dataset is what it says; proofs of rows
  emo8 remove ID --reason TEXT       take a picture out of every later build
  emo8 search openverse -o urls.csv  search terms, and links to licensed pictures for them
  emo8 hydrate DATA -o OUT           complete a dataset published without pictures
  emo8 doctor                        what this machine has and lacks, with remedies
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code comes back."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words and words[0] in RENAMED:
        print(f"emo8: `emo8 {words[0]}` is now: {RENAMED[words[0]]}", file=sys.stderr)
        return 2
    arguments = build_parser().parse_args(words)
    # Arrow reads this when it is imported; its own allocators keep the memory of a search for good.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        with _labels_in_use(arguments):
            code = int(arguments.run(arguments))
        sys.stdout.flush()  # here, so that a closed pipe is met here
        return code
    except KeyboardInterrupt:
        print("interrupted: run the same command again to continue", file=sys.stderr)
        return 130
    except ValueError as error:
        from emo8.core.errors import Emo8Error

        if arguments.debug or not isinstance(error, Emo8Error):
            raise
        print(f"emo8: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read our output has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if arguments.debug:
            raise
        print(f"emo8: {error}", file=sys.stderr)
        return 1


def _labels_in_use(arguments: argparse.Namespace) -> AbstractContextManager[None]:
    """Work with the emotions and styles of the build or dataset that a command is about."""
    for name in ("build", "data"):
        given = getattr(arguments, name, None)
        if isinstance(given, str | Path) and Path(given).is_dir():
            from emo8.core import label_set
            from emo8.dataset.shards import labels_at

            return label_set.using(labels_at(Path(given)))
    return nullcontext()


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emo8", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"emo8 {__version__}")
    parser.add_argument("--debug", action="store_true", help="show stack traces")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run, parser=command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
