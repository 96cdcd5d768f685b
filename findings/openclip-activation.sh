#!/usr/bin/env bash
# One would guess that open_clip's create_model("ViT-B-16", pretrained="openai") builds what the pretrained
# tag's own config says. It builds the architecture's default instead: the tag says quick_gelu=True, the
# model gets GELU, and only a warning says so. timm's vit_base_patch16_clip_224.openai does the same
# with no warning, although timm offers the same file under a `quickgelu` name.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" -q install torch==2.15.0 open_clip_torch==3.3.0 timm==1.0.31
"$folder/v/bin/python" - <<'P'
import sys, warnings
import open_clip, timm, torch
print("open_clip", open_clip.__version__, "timm", timm.__version__)
open_clip.factory.download_pretrained = lambda *a, **k: "none"
with warnings.catch_warnings(record=True) as said, torch.device("meta"):
    warnings.simplefilter("always")
    model = open_clip.create_model("ViT-B-16", pretrained="openai", load_weights=False, device="meta")
tag = open_clip.get_pretrained_cfg("ViT-B-16", "openai")["quick_gelu"]
built = type(model.visual.transformer.resblocks[0].mlp.gelu).__name__
pairs = [(a, t) for a, t in open_clip.list_pretrained()
         if bool(open_clip.get_pretrained_cfg(a, t).get("quick_gelu"))
         != bool(open_clip.get_model_config(a).get("quick_gelu"))]
print("tag says quick_gelu =", tag, "| built:", built, "| pairs that differ:", len(pairs))
plain = timm.create_model("vit_base_patch16_clip_224.openai", pretrained=False)
same = timm.get_pretrained_cfg("vit_base_patch16_clip_224.openai").hf_hub_id == \
    timm.get_pretrained_cfg("vit_base_patch16_clip_quickgelu_224.openai").hf_hub_id
print("timm builds", type(plain.blocks[0].mlp.act).__name__, "for the same file as its quickgelu twin:", same)
sys.exit(0 if tag and built == "GELU" and len(pairs) == 28 and same else 1)
P
