"""The embedded sample: small real pictures with captions, licences and credits, for demo and tests.

`pictures/` and `table/` are the two sources of `recipe.toml`, `web/` is what the demo serves to
itself as a third; `make_sample.py` makes them from the captioned picture corpus. `NOTICE.md` names
every licence and artist. `clip/` holds a small CLIP.
"""

from __future__ import annotations

from pathlib import Path


def root() -> Path:
    """The folder of the sample, which holds `recipe.toml`."""
    return Path(__file__).parent
