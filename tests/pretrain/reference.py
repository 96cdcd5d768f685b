"""The method once more in plain numpy float64, with loops: slow, obvious, and shared with nobody.

`write_vectors` makes a file of reference vectors of any size out of it.

Letters: B rows, L patches, K kept, D encoder width, E decoder width, P patch side.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Weights = dict[str, Array]

METADATA = {
    "image_size": "40",
    "patch_size": "8",
    "num_heads": "2",
    "decoder_num_heads": "4",
    "fusion_heads": "2",
    "mask_ratio": "0.6",
    "layer_norm_eps": "1e-5",
    "mlp_ratio": "2",
}
BATCH, DIM, DEPTH, DECODER_DIM, DECODER_DEPTH, EMOTIONS = 3, 24, 3, 16, 1, 5


def layer_norm(x: Array, weights: Weights, name: str, eps: float) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
    return centred / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x: Array, weights: Weights, name: str) -> Array:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def gelu(x: Array) -> Array:
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def attention(x: Array, weights: Weights, name: str, heads: int) -> Array:
    """x (N, D) of one picture."""
    query, key, value = np.split(linear(x, weights, f"{name}.qkv"), 3, axis=-1)
    width = x.shape[-1] // heads
    found = []
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        scores = query[:, part] @ key[:, part].T / math.sqrt(width)
        found.append(softmax(scores) @ value[:, part])
    return linear(np.concatenate(found, axis=-1), weights, f"{name}.proj")


def block(x: Array, weights: Weights, name: str, heads: int, eps: float) -> Array:
    x = x + attention(layer_norm(x, weights, f"{name}.norm1", eps), weights, f"{name}.attn", heads)
    hidden = linear(layer_norm(x, weights, f"{name}.norm2", eps), weights, f"{name}.mlp.fc1")
    return x + linear(gelu(hidden), weights, f"{name}.mlp.fc2")


def patches_of(image: Array, size: int) -> list[Array]:
    """Patches (P, P, C) of an image (C, H, W) in raster order."""
    rows, columns = image.shape[1] // size, image.shape[2] // size
    return [
        image[:, r * size : (r + 1) * size, c * size : (c + 1) * size].transpose(1, 2, 0)
        for r in range(rows)
        for c in range(columns)
    ]


def embed_patches(image: Array, weights: Weights, size: int) -> Array:
    """(L, D) with positions."""
    kernel = weights["patch_embed.proj.weight"]  # (D, C, P, P)
    tokens = []
    for place, patch in enumerate(patches_of(image, size)):
        value = (kernel * patch.transpose(2, 0, 1)).sum(axis=(1, 2, 3))
        position = weights["pos_embed"][0, place + 1]
        tokens.append(value + weights["patch_embed.proj.bias"] + position)
    return np.stack(tokens)


def masking(noise: Array, ratio: float) -> tuple[list[int], Array, Array]:
    """Kept patches, mask (L,), restore (L,)."""
    order = sorted(range(len(noise)), key=lambda place: noise[place])
    kept = order[: int(len(noise) * (1 - ratio))]
    mask = np.array([0.0 if place in kept else 1.0 for place in range(len(noise))])
    restore = np.array([order.index(place) for place in range(len(noise))])
    return kept, mask, restore


def encode(tokens: Array, weights: Weights, depth: int, heads: int, eps: float) -> Array:
    cls = weights["cls_token"][0] + weights["pos_embed"][0, :1]
    x = np.concatenate([cls, tokens])
    for number in range(depth):
        x = block(x, weights, f"blocks.{number}", heads, eps)
    return x


def decode(latent: Array, restore: Array, weights: Weights, heads: int, eps: float) -> Array:
    tokens = linear(latent, weights, "decoder_embed")
    visible = tokens[1:]
    whole = [tokens[0]]
    for place in restore:
        whole.append(visible[place] if place < len(visible) else weights["mask_token"][0, 0])
    x = np.stack(whole) + weights["decoder_pos_embed"][0]
    for number in range(DECODER_DEPTH):
        x = block(x, weights, f"decoder_blocks.{number}", heads, eps)
    return linear(layer_norm(x, weights, "decoder_norm", eps), weights, "decoder_pred")[1:]


def reconstruction(images: Array, preds: Array, masks: Array, size: int, norm_pix: bool) -> float:
    errors = []
    for image, pred, mask in zip(images, preds, masks, strict=True):
        for patch, guess, hidden in zip(patches_of(image, size), pred, mask, strict=True):
            target = patch.reshape(-1)
            if norm_pix:
                target = (target - target.mean()) / math.sqrt(target.var(ddof=1) + 1e-6)
            if hidden:
                errors.append(((guess - target) ** 2).mean())
    return float(np.mean(errors))


def cosine(a: Array, b: Array) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def contrastive(fused: Array, images: Array, texts: Array, scale: float) -> float:
    rows = []
    for token, image in zip(fused, images, strict=True):
        unit = token / np.linalg.norm(token)
        ours = np.array([scale * unit @ text for text in texts])
        clips = np.array([scale * image @ text for text in texts])
        rows.append(1 - cosine(ours, clips))
    return float(np.mean(rows))


def similarity(fused: Array, images: Array) -> float:
    pairs = zip(fused, images, strict=True)
    return float(np.mean([1 - cosine(token, image) for token, image in pairs]))


def fuse(kind: str, s: Array, p: Array, w: Weights, heads: int) -> Array:
    if kind == "layernorm_sum":
        x = linear(layer_norm(s, w, "bn", 1e-5) + layer_norm(p, w, "bn", 1e-5), w, "linear")
        return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)
    if kind == "weighted_sum":
        x = np.zeros_like(s)
        for head in range(heads):
            x = x + w["alpha"][head] * s + w["beta"][head] * p
        return layer_norm(x, w, "layer_norm", 1e-5) + w["bias"]
    gated = []
    for head in range(heads):
        scene = softmax(linear(s, w, f"W_a.{head}")) * s
        person = softmax(linear(p, w, f"W_b.{head}")) * p
        gated.append(scene + person)
    if kind == "softmax_gate":
        x = np.sum(gated, axis=0)
        return x * sigmoid(x) + w["bias"]
    x = np.maximum(linear(np.concatenate(gated, axis=-1), w, "mlp.0"), 0)
    x = linear(x, w, "mlp.2")
    return np.maximum(x * sigmoid(linear(x, w, "gate")), 0) + w["bias"]


def write_vectors(path: Path, *, seed: int = 0) -> None:
    """A file of reference vectors with the sizes above."""
    import torch
    from safetensors.torch import save_file

    rng = np.random.default_rng(seed)
    model, classifier = _model_weights(rng), _classifier_weights(rng)
    fusions = {kind: _fusion_weights(kind, rng) for kind in FUSION_KINDS}
    inputs = _inputs(rng)
    outputs = compute(model, classifier, fusions, inputs)
    named = {f"model.{k}": v for k, v in model.items()}
    named |= {f"classifier.{k}": v for k, v in classifier.items()}
    named |= {f"fusion.{kind}.{k}": v for kind, w in fusions.items() for k, v in w.items()}
    named |= {f"in.{k}": v for k, v in inputs.items()}
    named |= {f"out.{k}": v for k, v in outputs.items()}
    tensors = {
        name: torch.from_numpy(
            np.array(value, np.int64 if name.endswith("ids_restore") else np.float32)
        )
        for name, value in named.items()
    }
    save_file(tensors, path, METADATA)


FUSION_KINDS = ("layernorm_sum", "weighted_sum", "softmax_gate", "mlp_glu")


def compute(
    model: Weights, classifier: Weights, fusions: dict[str, Weights], inputs: Weights
) -> dict[str, Any]:
    """Every output of the method."""
    size, eps = int(METADATA["patch_size"]), float(METADATA["layer_norm_eps"])
    heads, ratio = int(METADATA["num_heads"]), float(METADATA["mask_ratio"])
    out: dict[str, Any] = {}
    for view in ("scene", "person"):
        latents, masks, restores = [], [], []
        for image, noise in zip(inputs[view], inputs[f"{view}_noise"], strict=True):
            kept, mask, restore = masking(noise, ratio)
            tokens = embed_patches(image, model, size)[kept]
            latent = encode(tokens, model, DEPTH, heads, eps)
            latents.append(layer_norm(latent, model, "norm", eps))
            masks.append(mask)
            restores.append(restore)
        out[f"{view}_latent"] = np.stack(latents)
        out[f"{view}_mask"], out[f"{view}_ids_restore"] = np.stack(masks), np.stack(restores)
        out[f"{view}_token"] = linear(out[f"{view}_latent"][:, 0], model, "decoder_embed")
    decoder_heads = int(METADATA["decoder_num_heads"])
    pairs = zip(out["scene_latent"], out["scene_ids_restore"], strict=True)
    out["scene_pred"] = np.stack([decode(x, r, model, decoder_heads, eps) for x, r in pairs])
    scene = (inputs["scene"], out["scene_pred"], out["scene_mask"], size)
    out["reconstruction_loss"] = [reconstruction(*scene, False)]
    out["reconstruction_loss_norm_pix"] = [reconstruction(*scene, True)]
    images, texts = inputs["teacher_image"], inputs["teacher_text"]
    scale = math.exp(inputs["logit_scale"][0])
    for kind, weights in fusions.items():
        tokens = (out["scene_token"], out["person_token"])
        fused = fuse(kind, *tokens, weights, int(METADATA["fusion_heads"]))
        out[f"fusion.{kind}"] = fused
        out[f"similarity_loss.{kind}"] = [similarity(fused, images)]
        out[f"contrastive_loss.{kind}"] = [contrastive(fused, images, texts, scale)]
    out["classifier_logits"] = np.stack(
        [_classify(image, classifier, size, heads, eps) for image in inputs["scene"]]
    )
    return out


def _classify(image: Array, weights: Weights, size: int, heads: int, eps: float) -> Array:
    latent = encode(embed_patches(image, weights, size), weights, DEPTH, heads, eps)
    return linear(layer_norm(latent[1:].mean(0), weights, "fc_norm", eps), weights, "head")


def _inputs(rng: np.random.Generator) -> Weights:
    side = int(METADATA["image_size"])
    patches = (side // int(METADATA["patch_size"])) ** 2
    image, text = rng.normal(size=(2, BATCH, DECODER_DIM))
    return {
        "scene": rng.normal(size=(BATCH, 3, side, side)),
        "person": rng.normal(size=(BATCH, 3, side, side)),
        "scene_noise": rng.random((BATCH, patches)).astype(np.float32),
        "person_noise": rng.random((BATCH, patches)).astype(np.float32),
        "teacher_image": image / np.linalg.norm(image, axis=-1, keepdims=True),
        "teacher_text": text / np.linalg.norm(text, axis=-1, keepdims=True),
        "logit_scale": np.array([math.log(20.0)]),
    }


def _draw(rng: np.random.Generator, shapes: dict[str, tuple[int, ...]]) -> Weights:
    return {name: rng.normal(size=shape) * 0.3 for name, shape in shapes.items()}


def _linear(name: str, inside: int, outside: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outside, inside), f"{name}.bias": (outside,)}


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _block(name: str, width: int) -> dict[str, tuple[int, ...]]:
    hidden = int(width * float(METADATA["mlp_ratio"]))
    return (
        _norm(f"{name}.norm1", width)
        | _linear(f"{name}.attn.qkv", width, 3 * width)
        | _linear(f"{name}.attn.proj", width, width)
        | _norm(f"{name}.norm2", width)
        | _linear(f"{name}.mlp.fc1", width, hidden)
        | _linear(f"{name}.mlp.fc2", hidden, width)
    )


def _encoder() -> dict[str, tuple[int, ...]]:
    size = int(METADATA["patch_size"])
    patches = (int(METADATA["image_size"]) // size) ** 2
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, DIM),
        "pos_embed": (1, 1 + patches, DIM),
        "patch_embed.proj.weight": (DIM, 3, size, size),
        "patch_embed.proj.bias": (DIM,),
    }
    for number in range(DEPTH):
        shapes |= _block(f"blocks.{number}", DIM)
    return shapes | _norm("norm", DIM)


def _model_weights(rng: np.random.Generator) -> Weights:
    size = int(METADATA["patch_size"])
    patches = (int(METADATA["image_size"]) // size) ** 2
    shapes = _encoder() | _linear("decoder_embed", DIM, DECODER_DIM)
    shapes |= {
        "mask_token": (1, 1, DECODER_DIM),
        "decoder_pos_embed": (1, 1 + patches, DECODER_DIM),
    }
    for number in range(DECODER_DEPTH):
        shapes |= _block(f"decoder_blocks.{number}", DECODER_DIM)
    shapes |= _norm("decoder_norm", DECODER_DIM)
    return _draw(rng, shapes | _linear("decoder_pred", DECODER_DIM, size * size * 3))


def _classifier_weights(rng: np.random.Generator) -> Weights:
    return _draw(rng, _encoder() | _norm("fc_norm", DIM) | _linear("head", DIM, EMOTIONS))


def _fusion_weights(kind: str, rng: np.random.Generator) -> Weights:
    width, heads = DECODER_DIM, int(METADATA["fusion_heads"])
    if kind == "layernorm_sum":
        return _draw(rng, _norm("bn", width) | _linear("linear", width, width))
    shapes: dict[str, tuple[int, ...]] = {"bias": (1, width)}
    if kind == "weighted_sum":
        shapes |= {"alpha": (heads, 1, width), "beta": (heads, 1, width)}
        return _draw(rng, shapes | _norm("layer_norm", width))
    gate_width = 1 if kind == "softmax_gate" else width
    for head in range(heads):
        shapes |= _linear(f"W_a.{head}", width, gate_width)
        shapes |= _linear(f"W_b.{head}", width, gate_width)
    if kind == "mlp_glu":
        shapes |= _linear("mlp.0", heads * width, width) | _linear("mlp.2", width, width)
        shapes |= _linear("gate", width, width)
    return _draw(rng, shapes)
