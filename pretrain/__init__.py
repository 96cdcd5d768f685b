"""UniEmoX pretraining: reads a published dataset, writes checkpoints.

From Python: `pretrain.load("RUN").features(pictures)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pretrain.api import Model, load

__all__ = ["Model", "load"]


def __getattr__(name: str) -> Any:
    """The Python API, imported when first used."""
    if name in __all__:
        from pretrain import api

        return getattr(api, name)
    raise AttributeError(f"module 'pretrain' has no attribute {name!r}")
