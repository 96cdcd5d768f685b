"""Weights out: a timm file, a folder with model card, the Hub; and back in from either.

    uniemox export RUN --to timm vit.safetensors
    uniemox export RUN --to folder DIR
    uniemox export RUN --to hub user/name

The licences of the initialisation and of the teacher travel in config.json and card. Pushing is
refused while one of them is unknown.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretrain.config.settings import ModelConfig, PretrainConfig
from pretrain.weights import encoder

if TYPE_CHECKING:
    from pretrain.models.uniemox import UniEmoX

FORMS = ("timm", "folder", "hub")
CONFIG, CARD, TIMM_FILE = "config.json", "README.md", "timm.safetensors"
_TIMM_NAMES = {192: "tiny", 384: "small", 768: "base", 1024: "large", 1280: "huge"}
_VAGUE = {"", "unknown", "none", "see the model's own card"}


def to_timm(run: Path, file: Path) -> str:
    """The Python line that loads `file`, which holds the encoder under timm's names."""
    from safetensors.torch import save_file

    model, config = encoder.load_model(run)
    weights = {name: value.contiguous() for name, value in model.mae.encoder_state().items()}
    line = timm_line(config.model)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, file, {"timm": line})
    file.chmod(0o644)  # safetensors writes files that only their owner can read
    return line


def timm_line(sizes: ModelConfig) -> str:
    """`timm.create_model(…)` of an encoder with these sizes."""
    if sizes.encoder != "vit":
        name = sizes.encoder.removeprefix("timm:").split(".")[0]
        options = f"num_classes=0, global_pool='token', img_size={sizes.image_size}"
        return f"timm.create_model({name!r}, {options})"
    known = _TIMM_NAMES.get(sizes.dim, "base")
    patch = 14 if known == "huge" else 16
    options: dict[str, Any] = {"num_classes": 0}
    usual = {
        "tiny": (12, 3),
        "small": (12, 6),
        "base": (12, 12),
        "large": (24, 16),
        "huge": (32, 16),
    }
    if _TIMM_NAMES.get(sizes.dim) is None or usual[known] != (sizes.depth, sizes.heads):
        options |= {"embed_dim": sizes.dim, "depth": sizes.depth, "num_heads": sizes.heads}
    if sizes.image_size != 224:
        options["img_size"] = sizes.image_size
    if sizes.patch_size != patch:
        options["patch_size"] = sizes.patch_size
    if sizes.mlp_ratio != 4.0:
        options["mlp_ratio"] = sizes.mlp_ratio
    if sizes.pre_norm:
        options["pre_norm"] = True
    if sizes.activation != "gelu":
        options["act_layer"] = sizes.activation
    if sizes.norm_eps != 1e-6:  # timm's own for its vit_*
        options["norm_layer"] = _Spelled(
            f"functools.partial(torch.nn.LayerNorm, eps={sizes.norm_eps!r})"
        )
    told = ", ".join(f"{name}={value!r}" for name, value in options.items())
    return f"timm.create_model('vit_{known}_patch{patch}_224', {told})"


class _Spelled(str):
    """A piece of Python that stands in a line as it is."""

    __slots__ = ()
    __repr__ = str.__str__


def to_folder(run: Path, folder: Path, *, name: str) -> None:
    """A model folder: weights, config with licences, timm file, card. It must not exist yet."""
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"--to folder {folder}: not empty; choose another folder")
    facts = read_facts(run)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(encoder.model_path(run), folder / encoder.MODEL)
    line = to_timm(run, folder / TIMM_FILE)
    published = {key: facts[key] for key in ("config", "teacher", "licenses")}
    published["dataset"] = {"fingerprint": facts["dataset"]["fingerprint"]}
    (folder / CONFIG).write_text(json.dumps(published, indent=1, sort_keys=True) + "\n", "utf-8")
    (folder / CARD).write_text(card(facts, name=name, timm_line=line), "utf-8")


def push_to_hub(run: Path, name: str) -> str:
    """The URL of the model on the Hub; ValueError while a licence is unknown."""
    check_licenses(read_facts(run))
    from huggingface_hub import HfApi

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "model"
        to_folder(run, folder, name=name)
        api = HfApi()
        url = api.create_repo(name, repo_type="model", exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=folder, repo_type="model")
    return str(url)


def from_pretrained(name: str) -> tuple[UniEmoX, PretrainConfig]:
    """The model of a RUN, an exported folder, or a Hub id, and its config."""
    if Path(name).exists():
        return encoder.load_model(name)
    from huggingface_hub import snapshot_download

    return encoder.load_model(snapshot_download(name, allow_patterns=[encoder.MODEL, CONFIG]))


def check_licenses(facts: dict[str, Any]) -> None:
    """ValueError that names each licence nobody stated, with the setting that states it."""
    started = facts["config"]["init"]["weights"]
    unknown = []
    if started and _is_vague(facts["licenses"]["init"]):
        unknown.append(f"of the initialisation {started} (give --init.license when pretraining)")
    if _is_vague(facts["licenses"]["teacher"]):
        unknown.append(f"of the teacher {facts['teacher']['name']}")
    if unknown:
        raise ValueError(f"not pushed: the licence is unknown {' and '.join(unknown)}")


def read_facts(run: Path) -> dict[str, Any]:
    """RUN/config.json; ValueError where there is none."""
    try:
        facts: dict[str, Any] = json.loads((run / CONFIG).read_text("utf-8"))
        facts["config"].setdefault("init", {"weights": ""})
        facts.setdefault("licenses", {"init": None, "teacher": facts["teacher"]["license"]})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ValueError(
            f"{run / CONFIG}: not the config of a RUN, or damaged ({problem}); put a whole one back"
        ) from problem
    return facts


def card(facts: dict[str, Any], *, name: str, timm_line: str) -> str:
    """The model card in Markdown, from cards/model.md."""
    import jinja2

    template = resources.files("cards").joinpath("model.md").read_text("utf-8")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True)
    text: str = environment.from_string(template).render(
        name=name, timm_line=timm_line, timm_file=TIMM_FILE, **facts
    )
    return text


def _is_vague(license: str | None) -> bool:
    return (license or "").strip().lower() in _VAGUE
