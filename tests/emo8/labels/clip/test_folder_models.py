"""Models in folders: whatever wraps their weights, and nothing that is more than data."""

from __future__ import annotations

import json
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from emo8.core.errors import ModelError
from emo8.labels.clip import folder_models
from emo8.labels.clip.encoder import Encoder, load, token_counter
from emo8.labels.clip.folder_models import CONFIG_NAME, WEIGHTS_NAMES
from emo8.labels.clip.models import EMBEDDED_DIR

TEXTS = ["a calm lake", "an angry face"]


@pytest.fixture(scope="module")
def embedded() -> Encoder:
    return load("embedded")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the embedded model."""
    shutil.copytree(EMBEDDED_DIR, tmp_path / "model")
    return tmp_path / "model"


def rewrite(folder: Path, part: str, **changes: Any) -> None:
    """The folder's config with other values in `model_cfg.PART`."""
    config = json.loads((folder / CONFIG_NAME).read_text())
    (config["model_cfg"][part] if part else config["model_cfg"]).update(changes)
    (folder / CONFIG_NAME).write_text(json.dumps(config))


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._orig_mod.", "state_dict.",
                                    "model.", "teacher.backbone."])  # fmt: skip
def test_weights__under_wrappers_of_training_are_understood(
    folder: Path, embedded: Encoder, prefix: str
) -> None:
    path = folder / WEIGHTS_NAMES[0]
    save_file({f"{prefix}{name}": v for name, v in load_file(path).items()}, path)
    found = load(f"local-dir:{folder}")
    np.testing.assert_array_equal(found.embed_texts(TEXTS), embedded.embed_texts(TEXTS))


def test_weights__under_an_unknown_word_are_named(folder: Path) -> None:
    path = folder / WEIGHTS_NAMES[0]
    save_file({f"strange.{name}": v for name, v in load_file(path).items()}, path)
    with pytest.raises(ModelError, match=r"strange\.visual"):
        load(f"local-dir:{folder}")


def test_weights__the_file_that_is_hashed_is_the_file_that_is_read(
    folder: Path, embedded: Encoder
) -> None:
    """open_clip itself would read the pickle, whose name it knows, and not the other."""
    (folder / WEIGHTS_NAMES[0]).rename(folder / "mine.safetensors")
    other = {n: torch.zeros_like(v) for n, v in embedded.model.state_dict().items()}
    torch.save(other, folder / "open_clip_pytorch_model.bin")
    found = load(f"local-dir:{folder}")
    np.testing.assert_array_equal(found.embed_texts(TEXTS), embedded.embed_texts(TEXTS))
    assert found.weights_sha256 == embedded.weights_sha256


def test_weights__two_files_of_unknown_names_are_an_error(folder: Path) -> None:
    (folder / WEIGHTS_NAMES[0]).rename(folder / "a.safetensors")
    shutil.copy(folder / "a.safetensors", folder / "b.safetensors")
    with pytest.raises(ModelError, match=r"a\.safetensors, b\.safetensors"):
        load(f"local-dir:{folder}")


def test_config__quick_gelu_makes_another_model(folder: Path, embedded: Encoder) -> None:
    rewrite(folder, "", quick_gelu=True)
    found = load(f"local-dir:{folder}")
    assert found.activation == "quick_gelu"
    assert found.weights_sha256 != embedded.weights_sha256
    assert found.weights_sha256 == folder_models.stored_sha256(f"local-dir:{folder}")


def test_code__a_config_that_asks_for_it_is_refused(folder: Path) -> None:
    marker = folder / "ran"
    (folder / "tokenizer_code.py").write_text(f"open({str(marker)!r}, 'w')\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"auto_map": {"AutoTokenizer": ["tokenizer_code.Tokenizer", None]}})
    )
    rewrite(folder, "text_cfg", hf_tokenizer_name="x", tokenizer_kwargs={"trust_remote_code": True})
    for call in (load, token_counter):
        with pytest.raises(ModelError, match="trust_remote_code is refused"):
            call(f"local-dir:{folder}")
    assert not marker.exists()


def test_code__a_tokenizer_of_the_hub_is_told_to_run_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    class AutoTokenizer:
        @staticmethod
        def from_pretrained(name: str, **options: Any) -> Any:
            asked.append(options)
            return types.SimpleNamespace()

    transformers = types.SimpleNamespace(AutoTokenizer=AutoTokenizer)
    monkeypatch.setitem(sys.modules, "transformers", transformers)
    rewrite(folder, "text_cfg", hf_tokenizer_name="x", tokenizer_kwargs={"clean": "whitespace"})
    folder_models.tokenizer(folder)
    assert asked[0]["trust_remote_code"] is False


@pytest.mark.parametrize(
    ("part", "changes", "said"),
    [
        ("text_cfg", {"tokenizer_kwargs": {"bpe_path": "../words.gz"}}, "outside of the folder"),
        ("text_cfg", {"tokenizer_kwargs": {"bpe_path": "/etc/words.gz"}}, "outside of the folder"),
        ("vision_cfg", {"timm_model_name": "hf-hub:somebody/model"}, "not a model that timm knows"),
        ("vision_cfg", {"timm_model_name": "local-dir:/tmp"}, "not a model that timm knows"),
        ("text_cfg", {"hf_model_name": "/tmp"}, "hf_model_name '/tmp' cannot be had"),
    ],
)
def test_config__that_leads_out_of_the_folder_is_refused(
    folder: Path, part: str, changes: dict[str, Any], said: str
) -> None:
    rewrite(folder, part, **changes)
    with pytest.raises(ModelError, match=said):
        load(f"local-dir:{folder}")
