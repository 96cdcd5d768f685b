#!/usr/bin/env bash
# One would guess that timm and open_clip show the same weights the same pixels. They do not: for
# SigLIP 2 and PE Core timm's config cuts the middle square out of the picture (SigLIP 2: of a copy
# enlarged by 1 / 0.9, so that a tenth is lost even of a square picture), while open_clip's config of
# the same weights squashes the whole picture, as they were trained; for OpenAI's CLIP timm's
# `vit_base_patch16_clip_224.openai` says crop_pct 0.9 where open_clip keeps the whole shorter side.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.15.0 torchvision==0.29.2 timm==1.0.31 open_clip_torch==3.3.0
"$folder/venv/bin/python" - <<'PYTHON'
import open_clip
import timm
from timm.data import resolve_data_config

print("timm", timm.__version__, "open_clip", open_clip.__version__)
pairs = {
    "vit_base_patch16_siglip_224.v2_webli": ("ViT-B-16-SigLIP2", "webli"),
    "vit_pe_core_tiny_patch16_384.fb": ("PE-Core-T-16-384", "meta"),
    "vit_base_patch16_clip_224.openai": ("ViT-B-16", "openai"),
}
found = []
for name, twin in pairs.items():
    cfg = timm.models.get_pretrained_cfg(name).to_dict()
    mine = resolve_data_config(pretrained_cfg=cfg)
    theirs = open_clip.get_pretrained_cfg(*twin)
    found.append((mine["crop_mode"], mine["crop_pct"], theirs["resize_mode"]))
    print(f"{name}: timm {mine['crop_mode']} of {mine['crop_pct']}, {mine['interpolation']}; "
          f"open_clip {twin[0]}/{twin[1]}: {theirs['resize_mode']}, {theirs['interpolation']}")
expected = [("center", 0.9, "squash"), ("center", 1.0, "squash"), ("center", 0.9, "shortest")]
assert found == expected, f"changed: {found}"
PYTHON
