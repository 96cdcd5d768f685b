"""Names of weights without the wrappers that training leaves around them.

Public checkpoints keep a model under `state_dict`, `model` or `teacher`, and torch.compile,
DataParallel and FSDP put words of their own into every name.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger(__name__)

# Keys of a checkpoint under which the weights lie; the first that holds some wins, so that a
# self-distilled model (DINO) gives its teacher, which is the one that its authors evaluate.
HOLDERS = ("state_dict", "model_state_dict", "model", "teacher", "student", "module")
# Beginnings of names, dropped as often as they occur; of two in one file the first here wins.
PREFIXES = (
    "module.", "state_dict.", "model.", "teacher.", "student.", "backbone.", "mae.",
)  # fmt: skip
# Words that wrappers of torch put anywhere into a name.
INSIDE = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")


def plain(content: Any) -> dict[str, Any]:
    """{name: tensor} of a checkpoint as torch or safetensors read it, names without wrappers.

    What stands beside the weights (a student beside its teacher, a head beside its backbone) is
    left behind, and the log says so. Empty where there are no tensors.
    """
    weights = {_without_inner(name): value for name, value in _tensors(content).items()}
    while prefix := next((p for p in PREFIXES if any(n.startswith(p) for n in weights)), None):
        taken = {n.removeprefix(prefix): v for n, v in weights.items() if n.startswith(prefix)}
        if len(taken) < len(weights):
            others = sorted({n.split(".")[0] for n in weights if not n.startswith(prefix)})
            logger.info("weights under %r taken, left behind: %s", prefix, ", ".join(others))
        weights = taken
    return weights


def common_beginning(names: list[str]) -> str:
    """The first word with its dot, where all names share one; otherwise empty."""
    first = {name.split(".")[0] for name in names if "." in name}
    return f"{first.pop()}." if len(first) == 1 and all("." in name for name in names) else ""


def _tensors(content: Any) -> dict[str, Any]:
    """The tensors of the innermost holder."""
    if not isinstance(content, Mapping):
        return {}
    for key in HOLDERS:
        inner = content.get(key)
        if isinstance(inner, Mapping) and (tensors := _tensors(inner)):
            others = [name for name in HOLDERS if name != key and name in content]
            if others:
                logger.info("weights under %r taken, left behind: %s", key, ", ".join(others))
            return tensors
    return {str(name): value for name, value in content.items() if hasattr(value, "shape")}


def _without_inner(name: str) -> str:
    for word in INSIDE:
        name = name.replace(word, "")
    return name
