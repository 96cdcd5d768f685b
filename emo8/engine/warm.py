"""How worker processes are started: forked from a server that has imported for all of them.

Importing torch and open_clip takes longer than labelling a hundred pictures with a small model.
multiprocessing's forkserver imports the modules it is told once, single-threaded, and every worker
is forked from there; where a platform has none, workers are started anew and import for themselves.
The server ends with the process that it serves.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import BaseContext

SERVER = "emo8.engine.warm_server"
BASE = (SERVER, "pyarrow.parquet", "pandas", "emo8.engine.steps")  # what every task uses
MODEL = ("torch", "open_clip")  # what computes the vector of a picture or a text


_wanted: dict[str, None] = dict.fromkeys(BASE)


def want(imports: tuple[str, ...]) -> None:
    """Have the server import more, if it does not run yet; later, workers import for themselves."""
    _wanted.update(dict.fromkeys(imports))


def workers() -> BaseContext:
    """The context that starts workers, and with the first of them the server."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_wanted))
    return context
