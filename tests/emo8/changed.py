"""An emo8 that is this one with one file written otherwise, for processes of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import emo8

MAIN = "import sys; from emo8.cli import main; sys.exit(main(sys.argv[1:]))"


def environment(site: Path, file: str, text: str) -> dict[str, str]:
    """The environment in which `emo8/FILE` holds `text`; everything else is as it is here."""
    own, other = Path(emo8.__file__).parent, site / "emo8"
    other.mkdir(parents=True)
    for entry in own.iterdir():
        if entry.name == Path(file).parts[0]:
            shutil.copytree(entry, other / entry.name)
        elif entry.name != "__pycache__":
            (other / entry.name).symlink_to(entry)
    (other / file).write_text(text)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *sys.path])}


def run(env: dict[str, str], *words: str, code: str = MAIN) -> subprocess.CompletedProcess[str]:
    """A command of emo8, or other code, in that environment."""
    command = [sys.executable, "-P", "-c", code, *words]  # -P: not the emo8 of this folder
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=500)
