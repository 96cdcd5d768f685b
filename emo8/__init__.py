"""Build, label, review and publish emotion datasets of images.

From Python: `emo8.build(recipe, out)`, `emo8.open_build(path)`, `emo8.label(pictures)`; see
`emo8/api.py`. Importing this package imports none of the heavy libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emo8.core.version import __version__

if TYPE_CHECKING:
    from emo8.api import Build, build, label, open_build

__all__ = ["Build", "__version__", "build", "label", "open_build"]


def __getattr__(name: str) -> Any:
    """The Python API, imported when first used."""
    if name in ("Build", "build", "label", "open_build"):
        from emo8 import api

        return getattr(api, name)
    raise AttributeError(f"module 'emo8' has no attribute {name!r}")
