"""Every public model is built as the description of its weights says; without weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

from emo8.core.errors import ModelError
from emo8.labels.clip import encoder, models

pytestmark = pytest.mark.nightly  # also with the newest libraries: make test-nightly

PAIRS = open_clip.list_pretrained()


@pytest.fixture(scope="module")
def untrained() -> Any:
    """`models.create` without weights and data: one block a tower, none of the Hub's towers."""

    class HubTower(torch.nn.Module):
        def __init__(self, *_: Any, **__: Any) -> None:
            super().__init__()
            self.vocab_size = self.context_length = 0

    real = open_clip.factory.get_model_config

    def short(architecture: str) -> Any:
        config = real(architecture)
        for tower in (config["vision_cfg"], config["text_cfg"]):
            if isinstance(tower.get("layers", 12), int):
                tower["layers"] = 1
        return config

    def create(architecture: str, tag: str) -> Any:
        with pytest.MonkeyPatch.context() as patch, torch.device("meta"):
            patch.setattr(open_clip.factory, "get_model_config", short)
            patch.setattr(open_clip.factory, "download_pretrained", lambda *_, **__: "none")
            patch.setattr(open_clip.model, "HFTextEncoder", HubTower)
            return models.create(
                architecture, tag, load_weights=False, pretrained_text=False, device="meta"
            )

    return create


def test_create__computes_what_every_tag_says(untrained: Any) -> None:
    wrong = []
    for architecture, tag in PAIRS:
        model, said = untrained(architecture, tag), open_clip.get_pretrained_cfg(architecture, tag)
        config = open_clip.get_model_config(architecture)
        length = model.context_length or config["text_cfg"].get("context_length", 77)
        built = models.built_settings(model, length)
        assert built == models.settings_of(architecture, tag)
        side = config["vision_cfg"].get("image_size", 224)
        expected = {
            "activation": _activation(architecture, said),
            "image_size": (side, side),
            "mean": tuple(said["mean"]),
            "std": tuple(said["std"]),
            "interpolation": said["interpolation"],
            "resize_mode": said["resize_mode"],
            "context_length": config["text_cfg"].get("context_length", 77),
        }
        wrong += [
            (architecture, tag, name) for name, v in expected.items() if getattr(built, name) != v
        ]
    assert not wrong
    assert len(PAIRS) >= 196


def _activation(architecture: str, said: dict[str, Any]) -> str:
    """What the tag says; where it is silent, GELU, but for the one pair that its authors
    published with `"quick_gelu": true` in the config beside the weights."""
    if architecture == "roberta-ViT-B-32":
        return "quick_gelu"
    return "quick_gelu" if said.get("quick_gelu") else "gelu"


def test_create__says_nothing_of_a_mismatch(
    untrained: Any, recwarn: pytest.WarningsRecorder
) -> None:
    untrained("ViT-B-16", "openai")
    assert not [w for w in recwarn if "QuickGELU" in str(w.message)]


@pytest.mark.parametrize("name", ["RN50/openai", "ViT-B-32/laion400m_e32", "ViT-B-16/dfn2b"])
def test_settings__of_weights_offered_under_a_plain_name(name: str) -> None:
    assert models.settings_of(*models.known_pair(name)).activation == "quick_gelu"


def test_quick_gelu_tags__only_those_that_always_mean_it() -> None:
    tags = models.quick_gelu_tags()
    assert {"openai", "dfn2b", "dfn5b", "metaclip_400m"} <= tags
    assert not tags & {"laion2b_s34b_b79k", "dfn2b_s39b", "datacomp_xl_s13b_b90k"}


@pytest.fixture(scope="module")
def cached_openai(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the default CLIP's shapes, as a download would leave them."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("hub") / "open_clip_model.safetensors"
    model = open_clip.create_model("RN50", load_weights=False)
    save_file(model.state_dict(), path)
    return path


def test_load__the_same_weights_with_another_activation_are_another_model(
    cached_openai: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (open_clip, open_clip.factory):
        monkeypatch.setattr(module, "download_pretrained", lambda *_, **__: str(cached_openai))
    quick, plain = encoder.load("RN50/openai"), _with_gelu(monkeypatch)
    assert (quick.activation, plain.activation) == ("quick_gelu", "gelu")
    assert quick.weights_sha256 != plain.weights_sha256
    texts = ["a sad face", "awe"]
    assert abs(quick.embed_texts(texts) - plain.embed_texts(texts)).max() > 1e-4
    assert quick.weights_sha256 == encoder.load("RN50-quickgelu/openai").weights_sha256


def _with_gelu(monkeypatch: pytest.MonkeyPatch) -> encoder.Encoder:
    """The same weights where their tag says nothing, as before this was known."""
    silent = {**open_clip.get_pretrained_cfg("RN50", "openai")}
    del silent["quick_gelu"]
    with monkeypatch.context() as patch:
        for module in (open_clip, open_clip.factory):
            patch.setattr(module, "get_pretrained_cfg", lambda *_: silent)
        return encoder.load("RN50/openai")


def test_load__a_library_that_builds_otherwise_is_an_error(
    cached_openai: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (open_clip, open_clip.factory):
        monkeypatch.setattr(module, "download_pretrained", lambda *_, **__: str(cached_openai))
    plain = open_clip.create_model("RN50", load_weights=False)
    monkeypatch.setattr(open_clip, "create_model", lambda *_, **__: plain)
    with pytest.raises(ModelError, match=r"activation='gelu'.*activation='quick_gelu'"):
        encoder.load("RN50/openai")
