"""`emo8 demo`: the whole job on the embedded sample, made of the pieces a user calls.

Pretraining and benchmarks are other packages: they run as subprocesses of their own commands.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emo8.core.errors import Emo8Error
from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.dataset.shards import all_files
from emo8.demo import server
from emo8.pipeline.run import build
from emo8.publish.release import verify_folder

MIN_ROWS = 300
FOLDS = 5
RECIPE = "cpu_demo"
BASELINE = f"random:{RECIPE}"
MODELS = ("embedded", BASELINE, "pixels:16")
PROTOCOLS = ("knn", "linear")
Check = tuple[str, bool, str]  # what, whether it holds, in words


def demo(out: Path) -> int:
    """Run the main job into `out`; 0 when all of it worked, 1 otherwise, and the last line says."""
    _require("pretrain.cli", "tensorboard", "pretrain")
    started = time.monotonic()
    dataset, run, results = out / "build" / "dataset", out / "pretrain", out / "results.jsonl"
    _say("1/5 build", "three sources: a folder, a table, and links to a server of our own")
    with server.serve() as base:
        built = build(server.write_inputs(out, base), out / "build")
    if built.failed_parts:
        raise Emo8Error(f"{built.failed_parts} parts failed; see `emo8 status {out / 'build'}`")
    checks = [*check_dataset(dataset, out), server.check(out / "build")]

    _say("2/5 pretrain", f"UniEmoX recipe {RECIPE}: both views, three losses, embedded CLIP")
    data = ("--data", str(dataset))
    _command("pretrain.cli", ["pretrain", RECIPE, *data, "--out", str(run)], out)
    evaluation = run / "evaluation.json"
    _command("pretrain.cli", ["evaluate", str(run), *data, "--out", str(evaluation)], out)
    _command("pretrain.cli", ["show", str(run), *data, "--out", str(run / "show.png")], out)
    checks.append(check_learning(json.loads(evaluation.read_text())))

    _say("3/5 benchmark", "kNN and linear probe on the rows that a source labelled")
    results.unlink(missing_ok=True)
    arguments = ["run", "--model", str(run), *MODELS, *data, "--protocol", *PROTOCOLS]
    arguments += ["--folds", str(FOLDS), "--cache", str(out / "features"), "--out", str(results)]
    _command("benchmarks.cli", arguments, out)
    checks.append(check_results(results))

    published = out / "published"
    _say("4/5 publish", f"{published}, as it would go to the Hub, and read it back")
    _command("emo8.cli", ["publish", str(out / "build"), "--to", str(published)], out)
    checks.append(check_published(published, out))

    _say("5/5 report", str(out / "report.html"))
    from emo8.demo.report import write_report

    write_report(out, checks, folds=FOLDS)
    return _finish(out, checks, time.monotonic() - started)


def check_dataset(dataset: Path, out: Path) -> list[Check]:
    """Read the dataset back with plain `datasets`, in a process that has none of our code."""
    script = (
        "import json, sys; from datasets import load_dataset; from collections import Counter\n"
        "splits = load_dataset(sys.argv[1]); found = {'rows': 0, 'emotion': [], 'style': []}\n"
        "for part in splits.values():\n"
        "    found['rows'] += len(part); part[0]['image'].load()\n"
        "    for name in ('emotion', 'style'):\n"
        "        label = part.features[name]\n"
        "        found[name] += [label.int2str(value) for value in set(part[name])]\n"
        "stream = load_dataset(sys.argv[1], split='train', streaming=True)\n"
        # to its end: a stream left half read may abort the interpreter when it exits
        "seen = sum(row['image'] is not None for row in stream)\n"
        "found['streams'] = seen == len(splits['train'])\n"
        "print(json.dumps(found))"
    )
    reply = subprocess.run(
        [sys.executable, "-I", "-c", script, str(dataset.resolve())],
        env=_environment(out), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if reply.returncode:
        return [("load_dataset reads it back", False, reply.stderr.strip()[-300:])]
    found = json.loads(reply.stdout)
    emotions, styles = set(found["emotion"]), set(found["style"])
    complete = emotions == set(EMOTIONS) and styles == set(STYLES)
    return [
        ("load_dataset reads it back", found["streams"], f"{found['rows']} rows, also as a stream"),
        ("enough rows", found["rows"] >= MIN_ROWS, f"{found['rows']}, {MIN_ROWS} asked"),
        ("all emotions and styles", complete, f"{len(emotions)} emotions, {len(styles)} styles"),
    ]


def check_published(published: Path, out: Path) -> Check:
    """Read the published folder back: hashes, counts, features, Croissant, and `load_dataset`."""
    problems = verify_folder(published)
    loads, *_ = check_dataset(published, out)
    files = len(all_files(published))
    detail = "; ".join(problems) or f"{loads[2]}; {files} files with the hashes they should have"
    return ("publish --to reads back", loads[1] and not problems, detail)


def check_learning(evaluation: dict[str, Any]) -> Check:
    """Whether pretraining beat the mean patch (L3) and the untrained model (L1, L2)."""
    before, after = evaluation["before"], evaluation["after"]
    detail = (
        f"L3 {after['L3']:.3f} against {evaluation['mean_patch']:.3f} of the mean patch; "
        f"L1 {before['L1']:.3f} -> {after['L1']:.3f}, L2 {before['L2']:.3f} -> {after['L2']:.3f} "
        f"on held-out pictures"
    )
    return ("pretraining learns", bool(evaluation["passed"]), detail)


def check_results(results: Path) -> Check:
    """Whether every model was measured with every protocol."""
    lines = results.read_text().splitlines()
    wanted = (len(MODELS) + 1) * len(PROTOCOLS)
    return ("every encoder measured", len(lines) == wanted, f"{len(lines)} of {wanted} results")


def _require(module: str, package: str, extra: str) -> None:
    """Raise Emo8Error naming the extra when another part of the project cannot run here."""
    missing = [
        name for name in (module.split(".")[0], package) if not importlib.util.find_spec(name)
    ]
    if missing:
        raise Emo8Error(f"the demo needs {missing[0]}: pip install 'emo8[{extra}]'")


def _command(module: str, arguments: Sequence[str], out: Path) -> None:
    """Run another package's command line, its progress shown; Emo8Error when it fails."""
    command = [sys.executable, "-m", module, *arguments]
    code = subprocess.run(command, env=_environment(out), check=False).returncode
    if code:
        raise Emo8Error(f"{module} ended with exit code {code}: {' '.join(command)}")


def _environment(out: Path) -> dict[str, str]:
    """This process's environment, offline, with every cache inside the demo's own folder."""
    cache = str((out / ".cache").resolve())
    return {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
            "HF_DATASETS_CACHE": cache, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}  # fmt: skip


def _say(title: str, detail: str) -> None:
    sys.stderr.write(f"\n[{title}] {detail}\n")
    sys.stderr.flush()


def _finish(out: Path, checks: list[Check], seconds: float) -> int:
    """Say what held; the last line is the verdict."""
    lines = [f"{'ok    ' if ok else 'FAILED'} {name}: {detail}" for name, ok, detail in checks]
    failed = [name for name, ok, _ in checks if not ok]
    verdict = f"FAILED: {', '.join(failed)}" if failed else "all of it worked"
    lines.append(f"open {out / 'report.html'}")
    lines.append(f"emo8 demo: {verdict} ({seconds:.0f} s)")
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
    return 1 if failed else 0
