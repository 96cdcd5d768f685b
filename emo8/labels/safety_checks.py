"""Checks on what CLIP says of a picture and its caption."""

from __future__ import annotations

from emo8.core.checks import Check

CHECKS: tuple[Check, ...] = (
    Check(
        reason="unsafe",
        meaning="safety score over decide.max_unsafe_prob; value = probability",
        column="unsafe_prob",
        threshold="max_unsafe_prob",
        default=1.0,
        why="CLIP's probability of an unsafe kind; 1 = off, because zero-shot scores differ per "
        "model: look with `emo8 decide BUILD --try max_unsafe_prob=0.9` before you set it",
        below=False,
        table="safety",
    ),
    Check(
        reason="caption_mismatch",
        meaning="CLIP sees less of the caption than decide.min_caption_sim; value = cosine",
        column="caption_sim",
        threshold="min_caption_sim",
        default=-1.0,
        why="cosine of picture and caption; -1 = off, because captions of drawings are often mere "
        "names; LAION kept 0.28 and more with ViT-B-32",
        below=True,
        lowest=-1.0,
        table="caption",
    ),
)
