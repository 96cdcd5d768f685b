"""What a script's numbers say against their targets: lines for the page.

Targets are those the parts were designed to; a line without one is there to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.lab.speed.targets import (
    CHECKSUM_SHARE,
    SMALL_STEP_TIMES,
    SMALL_STEP_WAIT,
    STEP_GFLOP,
    STEP_TIMES,
    UPLOAD_SHARE,
    VERIFY_TIMES,
    VOTES_MB,
    VOTES_S,
)

Found = Mapping[str, Any]

MILLION = 1_000_000
MILLION_S = 5.0  # a million hashes searched exactly, one core
WORKER_MB = 50.0  # "does not grow": less than one part of pictures
PROBE_S = 600.0  # "minutes"
SCORING_S, SCORING_MB = 10.0, 1000.0
CEILING_S = 20.0
LOOP_TIMES = 20.0  # over a plain loop, at least
BROWSE_S = 60.0  # five thousand rows in under a minute


@dataclass(frozen=True, kw_only=True)
class Line:
    """One number of the page."""

    what: str
    value: float
    unit: str  # "x" = times as fast as the peer, or what stands in its place
    peer: str = ""  # what it is measured against
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.least is not None:
            return self.value >= self.least
        return None if self.most is None else self.value <= self.most

    def wanted(self) -> str:
        """The target in words; empty where there is none."""
        if self.least is not None:
            return f"at least {self.least:g}"
        return "" if self.most is None else f"at most {self.most:g}"


def ingest(found: Found) -> Iterator[Line]:
    for size in found["sizes"]:
        what = f"hash, decode and measure, {size['size']}"
        peer = "PIL + imagehash + cleanvision"
        yield Line(what=what, value=size["times_peer"], unit="x", peer=peer, least=2.0)
        turbo, pil = size["share_of_turbo_decode_speed"], size["share_of_pil_decode_speed"]
        yield Line(what=what, value=turbo, unit="x", peer="libjpeg-turbo decode alone", least=0.35)
        yield Line(what=what, value=pil, unit="x", peer="PIL decode alone")


def colours(found: Found) -> Iterator[Line]:
    for size in found["sizes"]:
        what, before = f"decode, {size['size']}", "the decoder without a look at profiles"
        yield Line(
            what=f"{what}, no profile", value=size["plain_to_without"], unit="x", peer=before,
            least=0.97,
        )  # fmt: skip
        for name, least in (("srgb", 0.97), ("display_p3", 0.7), ("adobe_rgb", None)):
            words = name.replace("_", " ")
            for way, step in (("build", "hash, decode and measure"), ("decode", "decode")):
                yield Line(
                    what=f"{step}, {size['size']}, {words}", value=size[f"{way}_{name}_to_plain"],
                    unit="x", peer="no profile", least=least if way == "build" else None,
                )  # fmt: skip


def embed(found: Found) -> Iterator[Line]:
    model, precision = found["model"], found["precision"]
    what = f"{model}, {precision}"
    peers = {
        "model_alone": ("the model alone, same precision", 0.7),
        "plain_batch_1": ("open_clip, one picture at a time, fp32", 4.0),
        "plain_batch_32": ("open_clip, batches of 32, fp32", 2.8),
    }
    for key, (peer, least) in peers.items():
        yield Line(what=what, value=found[f"ours_to_{key}"], unit="x", peer=peer, least=least)
    yield Line(what=what, value=found["ours_per_s"], unit="pictures/s")


def rebuild(found: Found) -> Iterator[Line]:
    peer = f"first build of {found['rows']:,} rows"
    changes = {
        "nothing": ("after no change", None),
        "threshold": ("after a change of threshold", 20.0),
        "prompt": ("after a change of prompt", 25.0),
        "pictures": ("after a change of 1 % of the pictures", 20.0),
        "calibration": ("after a change of calibration", None),
    }
    for change, (what, least) in changes.items():
        if change not in found:  # measured before there was this one
            continue
        wall, cpu = (found[change][f"times_faster_{clock}"] for clock in ("wall", "cpu"))
        yield Line(what=what, value=wall, unit="x", peer=peer, least=least)
        yield Line(what=f"{what}, CPU seconds", value=cpu, unit="x", peer=peer)


def small_build(found: Found) -> Iterator[Line]:
    what, ours = f"first build of {found['pictures']} pictures", found["ours"]
    yield Line(
        what=what, value=found["cpu_share"], unit="of its CPU time", peer="4d54b67", most=0.5
    )
    yield Line(what=what, value=ours["cpu_s"], unit="CPU s")
    yield Line(what=f"{what}, until its first line", value=ours["first_line_s"], unit="s", most=0.5)


def memory(found: Found) -> Iterator[Line]:
    first, last = found["sizes"][0], found["sizes"][-1]
    span = f"{first['rows']:,} to {last['rows']:,} rows"
    yield Line(what=f"worker's peak grows, {span}", value=found["worker_grows_mb"], unit="MB",
               most=WORKER_MB)  # fmt: skip
    yield Line(what=f"main process grows, {span}", value=found["main_kb_per_row"],
               unit="KB a row", most=1.0)  # fmt: skip
    yield Line(what=f"time grows, {span}", value=found["time_exponent"], unit="exponent", most=1.05)


def global_steps(found: Found) -> Iterator[Line]:
    first, last = found["sizes"][0], found["sizes"][-1]
    for size in found["sizes"]:
        what = f"all steps over {size['rows']:,} rows"
        yield Line(what=f"{what}, CPU", value=1e6 * size["cpu_s"] / size["rows"], unit="us a row")
        yield Line(what=f"{what}, peak", value=size["peak_mb"], unit="MB")
        for command, most in (("status", 2.0), ("try", 5.0)):
            if seconds := size.get(f"{command}_cpu_s"):
                what = f"`{COMMANDS[command]}`, {size['rows']:,} rows, CPU"
                yield Line(what=what, value=seconds, unit="s",
                           most=most if size["rows"] == MILLION else None)  # fmt: skip
    if len(found["sizes"]) > 1:
        what = f"peak grows, {first['rows']:,} to {last['rows']:,} rows"
        yield Line(what=what, value=found["kb_per_row"], unit="KB a row", most=0.1)
    if beside := found.get("compared"):
        yield Line(
            what=f"CPU of {beside['rows']:,} rows in parts of {beside['part_rows']}",
            value=beside["times_less_cpu"],
            unit="times less",
            peer=f"4d54b67: {beside['peer_cpu_s']:g} s",
            least=6.0,
        )


COMMANDS = {"status": "emo8 status", "try": "emo8 decide --try"}


def duplicates(found: Found) -> Iterator[Line]:
    for name, exact in found["exact"].items():
        last = exact["runs"][-1]
        most = MILLION_S if last["rows"] == MILLION else None
        what = f"exact search, {last['rows']:,} {name} hashes"
        yield Line(what=what, value=last["seconds"], unit="s", most=most)
        yield Line(what=f"exact search, {name}", value=exact["exponent"], unit="exponent")
    if wide := found.get("wide"):
        last = wide["runs"][-1]
        what = f"wide search, {last['rows']:,} rows"
        yield Line(what=what, value=last["recall"], unit="of planted copies", least=0.97)
        yield Line(what=what, value=last["seconds"], unit="s")
        yield Line(what="wide search", value=wide["exponent"], unit="exponent", most=1.4)
    ours = {run["rows"]: run["seconds"] for run in found["peers"] if run["peer"] == "ours"}
    for run in found["peers"]:
        if run["peer"] != "ours":
            value = run["seconds"] / ours[run["rows"]]
            what = f"exact search, {run['rows']:,} hashes"
            yield Line(what=what, value=value, unit="x", peer=run["peer"])


def browse(found: Found) -> Iterator[Line]:
    rows = f"{found['first']['rows']:,} rows"
    for run, words in (("first", "first time"), ("again", "second time")):
        most = BROWSE_S if run == "first" else None
        one = found[run]
        yield Line(what=f"{rows} in FiftyOne, {words}", value=one["rows_s"], unit="s", most=most)
        yield Line(what=f"the App answers, {words}", value=one["served_s"], unit="s")
        yield Line(what=f"peak memory, {words}", value=one["peak_mb"], unit="MB")
    if beside := found.get("compared"):
        ours, peer = beside["ours"], beside["peer"]
        what = f"{beside['rows']} rows, until the App answers the first time"
        yield Line(what=what, value=beside["served_share"], unit="of its time",
                   peer=f"4d54b67: {peer['served_s']:g} s", most=0.5)  # fmt: skip
        yield Line(what=what, value=beside["cpu_share"], unit="of its CPU time",
                   peer=f"4d54b67: {peer['cpu_s']:g} s")  # fmt: skip
        yield Line(what=what, value=ours["served_s"], unit="s")


def votes(found: Found) -> Iterator[Line]:
    what = f"{found['votes']:,} votes on {found['rows']:,} rows"
    ours, peer = found["ours"], found["pandas"]
    whole = found["votes"] >= 200_000
    yield Line(what=what, value=ours["cpu_s"], unit="CPU s", most=VOTES_S if whole else None)
    yield Line(what=what, value=ours["peak_mb"], unit="MB", most=VOTES_MB if whole else None)
    yield Line(what=f"{what}, read by pandas", value=peer["cpu_s"], unit="CPU s")


def checksums(found: Found) -> Iterator[Line]:
    what = f"{found['pictures']} pictures, {found['width']} px wide"
    yield Line(what=what, value=found["share"], unit="of the build's CPU time",
               most=CHECKSUM_SHARE)  # fmt: skip


def verify(found: Found) -> Iterator[Line]:
    for size in found["sizes"]:
        what = f"{size['pictures']} pictures, {size['width']} px wide"
        peer = "hashing and decoding alone"
        yield Line(what=what, value=size["wall_ratio"], unit="x", peer=peer, least=VERIFY_TIMES)
        yield Line(what=f"{what}, CPU", value=size["cpu_ratio"], unit="x", peer=peer)


def upload(found: Found) -> Iterator[Line]:
    for kilobytes, sent in found["sent"].items():
        for change, share in sent.items():
            what = f"1% of rows {change}, pictures of {kilobytes} KB"
            yield Line(what=what, value=100 * share, unit="% sent again", most=100 * UPLOAD_SHARE)


def fetch(found: Found) -> Iterator[Line]:
    what = f"{found['links']:,} links, {found['hosts']} hosts"
    peer = "img2dataset without checks"
    yield Line(what=what, value=found["ratio"], unit="x", peer=peer, least=0.9)
    value = found["start_to_end_ratio"]
    yield Line(what=f"{what}, start to end", value=value, unit="x", peer=peer)
    yield Line(what=what, value=found["links_per_s"]["ours"], unit="links/s")


def loader(found: Found) -> Iterator[Line]:
    targets = {"2000x1500": (2.5, 0.8), "800x600": (1.8, 0.65)}
    for size in found["sizes"]:
        times, share = targets.get(size["size"], (None, None))
        what = f"two views, {size['size']}"
        value = size["times_image_folder"]
        yield Line(what=what, value=value, unit="x", peer="ImageFolder + PIL", least=times)
        for key, peer, least in (
            ("share_of_decode_scaled", "libjpeg-turbo alone, same scale", share),
            ("share_of_decode_full", "libjpeg-turbo alone, full size", None),
        ):
            yield Line(what=what, value=size[key], unit="x", peer=peer, least=least)


def step_flops(found: Found) -> Iterator[Line]:
    for line in found["lines"]:
        if line["ratio"] is not None:
            name = line["name"]
            yield Line(what=name, value=line["gflop"], unit="GFLOP", most=STEP_GFLOP[name])
            peer = "the paper's public step"
            yield Line(what=name, value=line["ratio"], unit="of its operations", peer=peer)


def step_wallclock(found: Found) -> Iterator[Line]:
    on = "" if found["device"] == "cpu" else f", {found['device']}"
    for name, value in found["ratio"].items():
        least = STEP_TIMES[name] if (found["model"], on) == ("b16", "") else None
        what = f"{name}, {found['model']}, batch {found['batch']}{on}"
        yield Line(what=what, value=value, unit="x", peer="the paper's public step", least=least)
        if bound := found.get("bound", {}).get(name):
            yield Line(
                what=f"{what}, products alone", value=bound, unit="x", peer="the same: bound"
            )


def small_step(found: Found) -> Iterator[Line]:
    for one in found["regimes"]:
        what = f"ViT-Ti/{one['patch']}, batch {found['batch']}, {one['precision']}"
        own = one["pictures_per_cpu_s"]["ours"]
        yield Line(what=f"{what}, per CPU second", value=one["ratio"], unit="x", peer="4d54b67",
                   least=SMALL_STEP_TIMES)  # fmt: skip
        if "bound" in one:
            yield Line(what=f"{what}, products alone", value=one["bound"], unit="x",
                       peer="the same: bound")  # fmt: skip
        yield Line(what=f"{what}, per CPU second", value=own, unit="pictures")
        yield Line(what=what, value=one["data_wait_share"], unit="of the time waiting for data",
                   most=SMALL_STEP_WAIT)  # fmt: skip


def pretrain_gpu(found: Found) -> Iterator[Line]:
    what = found["recipe"]
    share = found["data_wait_share"]
    yield Line(what=what, value=found["images_s"], unit="images/s")
    if found["mfu"] is not None:
        yield Line(what=what, value=found["mfu"], unit="of the peak FLOPs")
    if found["memory_mib"] is not None:
        yield Line(what=what, value=found["memory_mib"], unit="MiB")
    yield Line(what=what, value=share, unit="of the time waiting for data", most=0.05)


def frozen_features(found: Found) -> Iterator[Line]:
    what = f"{found['pictures']:,} pictures, {found['model']}, {found['protocol']}"
    yield Line(what=what, value=found["ratio"], unit="of its time", peer="decode and forward alone",
               most=1.15)  # fmt: skip


def probes(found: Found) -> Iterator[Line]:
    what = f"{found['rows']:,} x {found['dim']}"
    yield Line(what=f"kNN, {what}", value=found["knn_s"], unit="s", most=PROBE_S)
    yield Line(what=f"linear, {what}", value=found["linear_s"], unit="s", most=PROBE_S)
    if "peer_ratio" in found:
        peer = "scikit-learn's kNN"
        yield Line(what=f"kNN, {what}", value=1 / found["peer_ratio"], unit="x", peer=peer)


def answers(found: Found) -> Iterator[Line]:
    scoring, people = found["scoring"], found["ceiling"]
    what = f"{scoring['answers']:,} answers, {scoring['resamples']:,} resamples"
    yield Line(what=what, value=scoring["cpu_s"], unit="CPU s", most=SCORING_S)
    yield Line(what=what, value=scoring["peak_mb"], unit="MB", most=SCORING_MB)
    peer = "a loop of numpy and scikit-learn"
    yield Line(what=what, value=scoring["times_loop"], unit="x", peer=peer, least=LOOP_TIMES)
    what = f"ceiling, {people['pictures']:,} pictures x {people['votes']} votes"
    yield Line(what=what, value=people["cpu_s"], unit="CPU s", most=CEILING_S)
    peer = "a loop of numpy and scipy"
    yield Line(what=what, value=people["times_loop"], unit="x", peer=peer, least=LOOP_TIMES)


READERS: dict[str, Callable[[Found], Iterator[Line]]] = {
    reader.__name__: reader
    for reader in (answers, ingest, colours, embed, rebuild, small_build, memory, global_steps,
                   duplicates, browse, votes, checksums, verify, upload, fetch, loader, step_flops,
                   step_wallclock, small_step, pretrain_gpu, frozen_features, probes)
}  # fmt: skip
