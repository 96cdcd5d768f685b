"""Takes the README at its word: every command and every Python block, in order, in a fresh folder.

    python -m tests.readme_proof --at DIR          # a clean clone and environment, everything
    python -m tests.readme_proof --at DIR --here   # this checkout and environment, no `make`

The Hub is a small server on this machine; `pictures/` is some of the embedded sample in folders per
emotion, standing in for the reader's own. Stops at the first command that does not end with 0.
CI runs `make test`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.hub_server import TOKEN, serve

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(bash|toml|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LEFT_TO_CI = ("make test",)
SERVING = ("emo8 browse",)  # runs until it is stopped
STARTED_S = 1800.0  # for a serving command to say its address; a busy machine is no failure
PICTURES = 60


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """(language, content) of every fenced block."""
    yield from BLOCK.findall(text)


def commands(content: str) -> list[str]:
    """The commands of a block of shell, without comments."""
    lines = [line.split("  #")[0].strip() for line in content.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


class Reader:
    """Somebody who follows the README in a folder of their own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment

    def follow(self, text: str, *, here: bool) -> None:
        """Runs every block; SystemExit names the first command that fails."""
        found = list(blocks(text))
        for content in (c for language, c in found if language == "toml"):  # written, then run
            name = content.splitlines()[0].removeprefix("#").split(":")[0].strip()
            (self.folder / name).write_text(content)
        for language, content in found:
            if language == "bash":
                for command in commands(content):
                    if command in LEFT_TO_CI or (here and command.startswith(("make", "source"))):
                        print(f"   (left out) {command}", flush=True)
                        continue
                    self.run(command)
            elif language == "python":
                self.check(f"python: {content.splitlines()[0]}", ["python", "-c", content])

    def run(self, command: str) -> None:
        if command == "make demo":
            self.check(command, ["bash", "-c", command])
            self.own_pictures()
            return
        if re.search(r"\bID\b", command):
            command = re.sub(r"\bID\b", self.some_id(), command)
        if command.startswith(SERVING):
            self.serve(command)
        else:
            self.check(command, ["bash", "-c", command])

    def check(self, title: str, arguments: list[str]) -> None:
        started = time.monotonic()
        print(f"-> {title}", flush=True)
        done = subprocess.run(
            arguments,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{title}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        last = (done.stdout.strip().splitlines() or [""])[-1]
        print(f"   {time.monotonic() - started:.0f} s  {last[:110]}", flush=True)

    def serve(self, command: str) -> None:
        """Starts it, waits for its address, stops it as Ctrl-C does."""
        print(f"-> {command}", flush=True)
        log = self.folder / "serving.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                # a shell that put this script in the background has made Ctrl-C mean nothing
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
        try:
            until = time.monotonic() + STARTED_S
            while "http://" not in log.read_text():
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"{command}: gave no address\n{log.read_text()}")
                time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            if code := process.wait(STARTED_S):
                raise SystemExit(f"{command}: exit {code} after Ctrl-C\n{log.read_text()}")
        finally:
            if process.poll() is None:
                process.kill()
        print(f"   {log.read_text().strip().splitlines()[-1][:110]}", flush=True)

    def own_pictures(self) -> None:
        """`pictures/EMOTION/`: some of the sample named for a feeling, and two bad files."""
        import pyarrow.parquet as pq

        found = pq.read_table(
            ROOT / "emo8" / "demo" / "sample" / "table" / "sample.parquet"
        ).to_pylist()
        hinted = [row for row in found if row["emotion_hint"]]
        for row in hinted[:: len(hinted) // PICTURES][:PICTURES]:
            out = self.folder / "pictures" / row["emotion_hint"]
            out.mkdir(parents=True, exist_ok=True)
            (out / row["image"]["path"]).write_bytes(row["image"]["bytes"])
        awe = self.folder / "pictures" / "awe"
        min(awe.iterdir()).rename(awe / "one.jpg")
        shutil.copy(awe / "one.jpg", awe / "again.jpg")
        (awe / "notes.jpg").write_text("no picture")

    def some_id(self) -> str:
        import pyarrow.dataset as ds

        table = ds.dataset(self.folder / "BUILD" / "dataset" / "data").to_table(columns=["id"])
        return str(table["id"][0])


def clone(folder: Path) -> None:
    """A clean clone of this repository's last commit."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)


def environment(folder: Path, hub_url: str, *, here: bool) -> dict[str, str]:
    """Of somebody whose Hub is the one on this machine, and who has nothing of ours set."""
    kept = {k: v for k, v in os.environ.items() if "OFFLINE" not in k and k != "PYTHONPATH"}
    binaries = Path(sys.executable).parent if here else folder / ".venv" / "bin"
    extra = {"PYTHONPATH": str(ROOT)} if here else {}
    return {
        **kept, **extra, "PATH": f"{binaries}:{kept['PATH']}", "HF_ENDPOINT": hub_url,
        "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(folder / "hf"),
        "EMO8_REMOVALS": str(folder / "removals.jsonl"),
        "FIFTYONE_DATABASE_DIR": str(folder / "mongo"),
    }  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """0 when the README holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--at", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument("--here", action="store_true", help="without clone, set-up and make")
    arguments = parser.parse_args(argv)
    folder: Path = arguments.at.resolve()
    if folder.exists():
        parser.error(f"--at {folder} exists: name a new folder")
    text = (ROOT / "README.md").read_text("utf-8")
    if arguments.here:
        folder.mkdir(parents=True)
    else:
        clone(folder)
    with serve() as hub:
        reader = Reader(folder, environment(folder, hub.url, here=arguments.here))
        if arguments.here:
            reader.check("emo8 demo", ["emo8", "demo", "--out", "demo"])
            reader.own_pictures()
        reader.follow(text, here=arguments.here)
    print(f"the README holds, in {folder}")
    return 0


if __name__ == "__main__":
    if shutil.which("git") is None:
        raise SystemExit("this needs git")
    sys.exit(main())
