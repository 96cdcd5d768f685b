"""A hostile internet in a network namespace.

`python -m tests.emo8.web.world FOLDER`, inside `unshare -n -m`, writes a list of links, builds it
with `emo8 build`, and leaves what every listener saw in `FOLDER/seen.json`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.emo8.web.links import write_list
from tests.emo8.web.servers import CLOSED, DNS, FULL, PUBLIC, PUBLIC6, World


def main(folder: Path, *options: str) -> None:
    for address in (*CLOSED, PUBLIC, PUBLIC6, FULL, DNS):
        size = 128 if ":" in address else 32
        add = ["ip", "addr", "add", f"{address}/{size}", "dev", "lo"]
        subprocess.run(add, capture_output=True, check=False)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    resolver = folder / "resolv.conf"
    resolver.write_text(f"nameserver {DNS}\noptions timeout:1 attempts:2\n")
    where = Path("/etc/resolv.conf").resolve()
    subprocess.run(["mount", "--bind", str(resolver), str(where)], check=True)
    world = World()
    world.start()
    write_list(folder)
    command = [sys.executable, "-m", "emo8.cli", "build", str(folder / "recipe.toml")]
    command += ["-o", str(folder / "BUILD"), "--workers", "1", *options]
    reply = subprocess.run(command, capture_output=True, text=True, check=False)
    seen = {
        "code": reply.returncode,
        "output": reply.stdout + reply.stderr,
        "trapped": world.trapped,
        "requests": world.requests,
        "most_busy": world.most_busy,
    }
    (folder / "seen.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
