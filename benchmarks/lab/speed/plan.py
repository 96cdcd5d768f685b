"""Every script of this folder: what it measures, its arguments, what it needs, and a word on it.

`python -m benchmarks.speed` runs them from here, and the page shows the command from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PICTURES, PHOTOGRAPHS, VIEWS = "{pictures}", "{photographs}", "{views}"
BUILD, PEER = "{build}", "{peer}"
# What the page shows for them: any parquet files with pictures and captions will do.
SHOWN = {
    PICTURES: "'corpus/images-*.parquet'",
    PHOTOGRAPHS: "'corpus/images-0000[3-5].parquet'",
    VIEWS: "views.safetensors",
    BUILD: "BUILD",
    PEER: "CHECKOUT",
}
NEEDS = {
    PICTURES: "--pictures GLOB: parquet files with pictures and captions",
    PHOTOGRAPHS: "--photographs GLOB (or --pictures): JPEG files, or parquet files that hold some",
    VIEWS: "--views FILE of `uniemox cache`",
    BUILD: "--build DIR of `emo8 build`",
    PEER: "--peer DIR: a checkout of an older commit of ours",
}


@dataclass(frozen=True, kw_only=True)
class Script:
    """One script: `python -m benchmarks.speed NAME ARGUMENTS --out NAME.json`."""

    name: str
    what: str  # in a few words, a heading of the page
    arguments: tuple[str, ...]  # of the numbers we publish; `{…}` are the reader's own files
    quick: tuple[str, ...]  # the smallest run that still does everything once
    gpu: bool = False  # needs one
    one_core: bool = False  # pinned to one, so that no library spreads
    note: str = ""  # what a reader should know besides the numbers; holds none itself

    def needs(self, *, quick: bool = False) -> list[str]:
        """The reader's files that it asks for, as placeholders."""
        return [word for word in (self.quick if quick else self.arguments) if word in NEEDS]

    def shown(self) -> str:
        """The command, as a reader would type it."""
        words = [SHOWN.get(word, word) for word in self.arguments]
        pin = "taskset -c 0 " if self.one_core else ""
        command = " ".join([f"python -m benchmarks.speed {self.name}", *words])
        return f"{pin}{command} --out {self.name}.json"


SCRIPTS = (
    Script(
        name="ingest",
        what="hashing, decoding and measuring a picture",
        arguments=("--pictures", PHOTOGRAPHS, "--count", "16", "--rounds", "5"),
        quick=("--pictures", PHOTOGRAPHS, "--count", "2", "--rounds", "1"),
        note="CPU time of one thread. Decoding alone is measured with PIL and with libjpeg-turbo, "
        "which is what our own path decodes with. The SHA-256 of the pixels alone costs about as "
        "much as that decode.",
    ),
    Script(
        name="colours",
        what="colour profiles, converted to sRGB",
        arguments=("--pictures", PHOTOGRAPHS, "--count", "16", "--rounds", "9"),
        quick=("--pictures", PHOTOGRAPHS, "--count", "2", "--rounds", "1"),
        note="CPU time of one thread on the same JPEGs with another profile. A profile of curves "
        "and a matrix is two look-ups and a matrix product for every pixel; LittleCMS itself "
        "takes five times as long.",
    ),
    Script(
        name="embed",
        what="the embedding step of a build",
        arguments=("--pictures", PHOTOGRAPHS, "--count", "96", "--rounds", "3"),
        quick=("--pictures", PHOTOGRAPHS, "--count", "2", "--rounds", "1"),
        note="On all cores, in bf16 where the hardware computes in it; the plain loops are fp32. "
        "What batches of 32 can gain is bounded by how much faster the processor is in bf16.",
    ),
    Script(
        name="rebuild",
        what="building again after one change",
        arguments=("--pictures", PICTURES, "--rounds", "3"),
        quick=("--pictures", PICTURES, "--rows", "230", "--workers", "1", "--rounds", "1"),
        note="Every build is a fresh process: starting Python and loading the model count.",
    ),
    Script(
        name="small_build",
        what="a first build of twelve pictures",
        arguments=("--peer", PEER, "--rounds", "3"),
        quick=("--peer", PEER, "--rounds", "1"),
        note="Mostly starting: what is imported, and by how many processes. In turns with the "
        "commit 4d54b67, two workers, all processes counted.",
    ),
    Script(
        name="memory",
        what="time and memory of whole builds as they grow",
        arguments=("--pictures", PICTURES, "--sizes", "10000", "30000"),
        quick=("--pictures", PHOTOGRAPHS, "--count", "2", "--sizes", "20", "40"),
        note="Memory a process holds for itself. Part steps run in the worker, steps over the "
        "whole dataset in the main process. Every picture gives two windows, so that a larger "
        "build has more pictures rather than more alike ones.",
    ),
    Script(
        name="global_steps",
        what="steps over all rows of a build",
        arguments=("--rows", "400000", "1000000", "2000000", "--peer", PEER),
        quick=("--rows", "400", "800"),
        note="A synthetic build from the sample's columns, without any search for pairs: verdicts, "
        "equal pictures, splits, order, numbers. CPU time of all threads; memory is the peak of "
        "the whole process, Python and its libraries included. Six times less CPU was the aim when "
        "a run of 4d54b67 on a busy machine had taken 23.5 s; in turns it takes less than half of "
        "that, and with small parts both spend much of it on opening six files a part.",
    ),
    Script(
        name="duplicates",
        what="searching for copies",
        arguments=("--pictures", PICTURES),
        quick=("--sizes", "500", "1000", "--wide-sizes", "200", "400", "--peer-rows", "50"),
        one_core=True,
        note="`identical` holds one hash a hundred thousand times. imagededup is no dependency of "
        "ours and is left out where it is not found.",
    ),
    Script(
        name="browse",
        what="bringing a build into FiftyOne",
        arguments=("--build", BUILD, "--rows", "5000", "--pictures", PICTURES, "--peer", PEER),
        quick=("--pictures", PICTURES, "--rows", "40"),
        note="`emo8 browse` from its start: Python, FiftyOne and its database count. The second "
        "time nothing has changed. Half of the time of 4d54b67 was the aim and is missed: FiftyOne "
        "is imported four times (by the command, its server, and the watchers of its server and of "
        "its database), which with MongoDB is most of the CPU time and none of ours to save. What "
        "we could do is done: the database and the App start while pictures are made and rows go "
        "in, and Python's garbage collector looks seldom.",
    ),
    Script(
        name="votes",
        what="importing people's votes",
        arguments=("--rows", "50000", "--votes", "200000"),
        quick=("--rows", "300", "--votes", "600"),
        note="From the start of Python. pandas only reads the file; ours also looks up every "
        "picture by its name, makes pseudonyms, reads times and looks for contradictions.",
    ),
    Script(
        name="checksums",
        what="the checksums in a build's files",
        arguments=("--count", "120", "--width", "800"),
        quick=("--count", "6", "--width", "200", "--rounds", "1"),
        note="CPU time of all processes of the build; its checksums are taken again over the files "
        "that it left.",
    ),
    Script(
        name="verify",
        what="verifying a release",
        arguments=("--count", "120", "--widths", "320", "800", "--rounds", "7"),
        quick=("--count", "6", "--widths", "200", "--rounds", "1"),
        note="In turns in one process, on all cores. The peer hashes every file and picture and "
        "decodes every picture with the same decoder, and looks at nothing else.",
    ),
    Script(
        name="upload",
        what="uploading a changed dataset through xet",
        arguments=("--kilobytes", "20", "40", "80", "160", "--megabytes", "60"),
        quick=("--kilobytes", "20", "--megabytes", "2"),
        note="Counted by hf_xet itself, whose storage is a folder here. Every hundredth row is "
        "another; a chunk of xet is about 64 KiB, so a change among small pictures costs more.",
    ),
    Script(
        name="fetch",
        what="fetching links",
        arguments=("--links", "3000", "--rounds", "3"),
        quick=("--links", "20", "--hosts", "4", "--rounds", "1"),
        note="Hosts on loopback; the server shares the cores. From start to end, fewer processes "
        "and imports count as well.",
    ),
    Script(
        name="loader",
        what="feeding pretraining: two views of every picture",
        arguments=("--pictures", PHOTOGRAPHS, "--count", "64"),
        quick=("--pictures", PHOTOGRAPHS, "--count", "16", "--rounds", "1"),
        note="CPU time of one thread. The peer is ImageFolder with PIL; decoding alone is "
        "libjpeg-turbo at the scale ours chose for each picture.",
    ),
    Script(
        name="step_flops",
        what="operations of one training step, counted",
        arguments=(),
        quick=(),
        note="ViT-B/16, batch 8, nine tenths masked; the counting itself is checked on parts whose "
        "cost is known.",
    ),
    Script(
        name="step_wallclock",
        what="one training step, by the clock",
        arguments=("--rounds", "7", "--batch", "8"),
        quick=("--rounds", "1", "--batch", "1", "--model", "ti16"),
        note="Ours in bf16, the paper's public step in fp32 as published, in turns, each in a "
        "process of its own. The bound is what the ratio were if our matrix products, timed alone "
        "in the same run, were all of our step.",
    ),
    Script(
        name="small_step",
        what="the full step of the study, on two cores",
        arguments=("--views", VIEWS, "--peer", PEER, "--rounds", "3"),
        quick=("--views", VIEWS, "--peer", PEER, "--rounds", "1", "--long", "6"),
        note="ViT-Ti at 64 px, teacher cached, batch 64, as `uniemox pretrain` runs it, in turns "
        "with the commit 4d54b67. The older one lets threads spin while they wait: what that "
        "costs depends on what else the cores do, so the ratio is larger on a busy machine. "
        "Three times was the aim and is missed: with the same operations the matrix products alone "
        "bound it.",
    ),
    Script(
        name="pretrain_gpu",
        what="pretraining on a GPU, killed and resumed",
        arguments=("--data", VIEWS, "--minutes", "5"),
        quick=("--data", VIEWS, "--minutes", "0.1", "--least-steps", "5"),
        gpu=True,
    ),
    Script(
        name="frozen_features",
        what="a frozen-feature evaluation over the bare forward pass",
        arguments=("--pictures", "10000", "--model", "random:cpu_demo", "--rounds", "2"),
        quick=("--pictures", "32", "--rounds", "1", "--model", "random:cpu_smoke"),
    ),
    Script(
        name="answers",
        what="scoring answers, and what people reach",
        arguments=(),
        quick=(
            "--answers",
            "500",
            "--pictures",
            "60",
            "--votes",
            "5",
            "--peer-resamples",
            "1",
            "--peer-pictures",
            "5",
        ),
        note="CPU time. The loops draw, take and measure every resample with scikit-learn, and "
        "count every picture's votes one by one; they run on a part and are scaled up.",
    ),
    Script(
        name="probes",
        what="probes on stored features",
        arguments=("--rows", "100000", "--dim", "768", "--peer"),
        quick=("--rows", "400", "--dim", "16", "--peer"),
        note="The peer answers the same queries with a fixed k; ours chooses k as well.",
    ),
)
BY_NAME = {script.name: script for script in SCRIPTS}


def result_path(folder: Path, name: str) -> Path:
    """Where a script's numbers lie."""
    return folder / f"{name}.json"
