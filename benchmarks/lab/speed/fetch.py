"""Links per second of our guarded fetch against plain img2dataset, in one run on one machine.

    python -m benchmarks.speed fetch --links 4000 --rounds 3 --out fetch.json

A server in a process of its own gives pictures at many loopback addresses, each a host of its own.
Both ways run img2dataset over the same list with as many processes and threads, without
re-encoding: plain as it comes (parquet, its own opener, no checks), ours as `emo8 build` runs it:
addresses checked, robots.txt, X-Robots-Tag, TDM, two connections a host, bytes on disk after every
link. Loopback is allowed; `host_delay_s` is 0, because waiting on purpose is no work. Ways take
turns; rates are medians over rounds, of the time from the first request for a picture to the last.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.lab.output import tell
from emo8.core.settings import FetchConfig
from emo8.web.build_fetch import manners, policy
from emo8.web.img2dataset_run import Rules, Workers, fetch_links
from emo8.web.store import Store

NETWORKS = ("127.0.0.0/8",)
PICTURE_BYTES = 60_000  # a JPEG of about 800 x 600
_PLAIN = """
import json, sys
from img2dataset.main import download
if __name__ == "__main__":
    download(**json.loads(sys.argv[1]))
"""


def serve(num_hosts: int, port: Any, spans: Any) -> None:
    """Answer at 127.0.1.1 and on; first and last request for a picture go into `spans`."""
    body = b"\xff\xd8\xff\xe0" + os.urandom(PICTURE_BYTES - 4)
    picture = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    nothing = b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                is_picture = b".jpg" in head.split(b"\r\n", 1)[0]
                writer.write(picture if is_picture else nothing)
                await writer.drain()
                if is_picture:
                    now = time.monotonic()
                    spans[0] = min(spans[0] or now, now)
                    spans[1] = now
                if b"connection: close" in head.lower():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, "0.0.0.0", 0, backlog=1024)
        port.value = server.sockets[0].getsockname()[1]
        await server.serve_forever()

    asyncio.run(run())


def fetch_ours(links: list[str], folder: Path, processes: int, threads: int) -> int:
    """Fetch as a build does; the number of pictures that arrived."""
    config = FetchConfig(host_delay_s=0.0, threads=threads)
    max_bytes = 50_000_000
    rules = Rules(
        manners=manners(config, max_bytes),
        allow_networks=NETWORKS,
        policy=policy(config, max_bytes, NETWORKS),
        threads=threads,
    )
    store, wanted = Store(folder, folder / "fetch"), dict.fromkeys(links, 0)
    crew = Workers(processes=processes)
    found = fetch_links(wanted, rules=rules, folder=folder / "fetch", store=store, crew=crew)
    return sum(place.reason is None for place in found.values())


def fetch_plain(links: list[str], folder: Path, processes: int, threads: int) -> int:
    """Fetch with img2dataset alone; the number of pictures that arrived."""
    import pyarrow.parquet as pq

    (folder / "links.txt").write_text("\n".join(links) + "\n")
    options = {
        "url_list": str(folder / "links.txt"), "input_format": "txt",
        "output_folder": str(folder / "out"), "output_format": "parquet",
        "processes_count": processes, "thread_count": threads,
        "number_sample_per_shard": -(-len(links) // processes),
        "disable_all_reencoding": True, "extract_exif": False, "compute_hash": None,
    }  # fmt: skip
    (folder / "plain.py").write_text(_PLAIN)
    command = [sys.executable, str(folder / "plain.py"), json.dumps(options)]
    environment = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    shards = (folder / "out").glob("*.parquet")
    return sum(
        sum(value == "success" for value in pq.read_table(path)["status"].to_pylist())
        for path in shards
    )


WAYS = {"ours": fetch_ours, "plain": fetch_plain}


def measure(
    num_links: int, num_hosts: int, rounds: int, processes: int, threads: int
) -> dict[str, Any]:
    """Links per second of both ways and their ratio, and seconds from start to end."""
    context = multiprocessing.get_context("spawn")
    port, spans = context.Value("i", 0), context.Array("d", 2)
    server = context.Process(target=serve, args=(num_hosts, port, spans), daemon=True)
    server.start()
    while not port.value:
        time.sleep(0.05)
    hosts = [f"127.0.{1 + n // 250}.{1 + n % 250}:{port.value}" for n in range(num_hosts)]
    links = [f"http://{hosts[n % num_hosts]}/{n}.jpg" for n in range(num_links)]
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    walls: dict[str, list[float]] = {name: [] for name in WAYS}
    for turn in range(rounds):
        for name in list(WAYS) if turn % 2 else list(WAYS)[::-1]:
            spans[0] = spans[1] = 0.0
            with tempfile.TemporaryDirectory() as folder:
                started = time.monotonic()
                arrived = WAYS[name](links, Path(folder), processes, threads)
                walls[name].append(time.monotonic() - started)
            if arrived != num_links:
                raise SystemExit(f"{name}: {arrived} of {num_links} arrived")
            rates[name].append(num_links / (spans[1] - spans[0]))
    server.terminate()
    middle = {name: statistics.median(values) for name, values in rates.items()}
    whole = {name: statistics.median(values) for name, values in walls.items()}
    return {
        "links_per_s": {name: round(value, 1) for name, value in middle.items()},
        "ratio": round(middle["ours"] / middle["plain"], 3),
        "start_to_end_s": {name: round(value, 1) for name, value in whole.items()},
        "start_to_end_ratio": round(whole["plain"] / whole["ours"], 3),
        "all_links_per_s": {n: [round(v, 1) for v in values] for n, values in rates.items()},
        "links": num_links, "hosts": num_hosts, "rounds": rounds,
        "processes": processes, "threads": threads, "picture_bytes": PICTURE_BYTES,
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--links", type=int, default=4000)
    parser.add_argument("--hosts", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=32, help="per process, both ways")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(argv)
    result = measure(given.links, given.hosts, given.rounds, given.processes, given.threads)
    tell(result, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
