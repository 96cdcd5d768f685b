"""A CLIP model as a build records it: resolved once, known again, and outdated where it must be."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from emo8.core.errors import BuildError, ModelError
from emo8.labels.clip import models


@dataclass(frozen=True, kw_only=True)
class Model:
    """A CLIP model as a build knows it: fixed by the hash of what it computes with."""

    name: str  # as the recipe writes it
    weights_sha256: str  # with the activation, where that is not GELU
    activation: str  # gelu or quick_gelu
    dim: int  # width of its embeddings
    logit_scale: float  # the temperature factor
    logit_bias: float | None  # of a sigmoid model (SigLIP); null for a softmax one
    context_length: int  # tokens a text may have
    precision: str  # of its image tower in this build: fp32 or bf16

    @property
    def table(self) -> str:
        """The name of the step that holds this model's embeddings."""
        return table_of(self.name)


def table_of(name: str) -> str:
    """The name of the step that holds a model's embeddings."""
    return "embed-" + re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")


def first_model(resolved: dict[str, Any]) -> Model:
    """The first model of a build, as `resolved.json` describes it; BuildError for an old one."""
    try:
        return Model(**resolved["models"][0])
    except (KeyError, IndexError, TypeError):
        raise BuildError(
            f"this build of {resolved['recipe']['name']!r} was made by another version of emo8: "
            "run `emo8 build` again to bring it up to date"
        ) from None


def outdated(resolved: dict[str, Any]) -> dict[str, str]:
    """{step: why} of the models that a build computed otherwise than their weights want."""
    lines = {}
    for described in resolved.get("models", []):
        name = described["name"]
        if "activation" in described or models.folder_of(name):
            continue
        try:
            wanted = models.settings_of(*models.known_pair(name)).activation
        except ModelError:  # a name that nobody knows any more
            continue
        if wanted != models.GELU:
            lines[table_of(name)] = (
                f"{name}: labels and embeddings were made with GELU, and its weights were trained "
                f"with {wanted}: `emo8 build` with the recipe makes them anew"
            )
    return lines


def recall(name: str, known: list[dict[str, Any]], precision: str) -> Model | None:
    """The model called `name` among the `known` ones, where its weights cannot have changed.

    `precision` "auto" is what it had.
    """
    from emo8.labels.clip.folder_models import stored_sha256

    fields = {item.name for item in dataclasses.fields(Model)}
    for described in known:
        if described["name"] == name and set(described) == fields:
            model = Model(**described)
            if stored_sha256(name) in (None, model.weights_sha256):
                own = model.precision if precision == "auto" else precision
                return dataclasses.replace(model, precision=own)
    return None


def resolve(name: str, precision: str) -> Model:
    """The model called `name`, loaded to see what it is.

    `precision` "auto" is the best for the model on this machine.
    """
    from emo8.labels.clip.encoder import best_precision, load

    encoder = load(name)
    return Model(
        name=name,
        weights_sha256=encoder.weights_sha256,
        activation=encoder.activation,
        dim=encoder.dim,
        logit_scale=encoder.logit_scale,
        logit_bias=encoder.logit_bias,
        context_length=encoder.context_length,
        precision=best_precision(name) if precision == "auto" else precision,
    )
