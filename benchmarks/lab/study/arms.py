"""The arms of the claim study: each a function that says how it differs from the full method.

All start from the recipe `study_ti8` and train on the same cache of views, so that an arm is its
overrides and nothing else. An arm without training is measured as its seed starts it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from emo8.core.errors import Emo8Error
from emo8.core.suggest import suggest

RECIPE = "study_ti8"
CURVES_OF = ("full", "small_and_long")  # asked all the way
DOMAINS = ("small_and_long", "out_of_domain", "fewer_pictures")  # one network, other pictures
TRANSFER_OF = ("full", *DOMAINS)  # put the questions of transfer


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way of getting an encoder."""

    name: str
    what: str  # one line for the report
    overrides: dict[str, str] = field(default_factory=dict)  # of the recipe, dotted
    trained: bool = True
    supervised: bool = False  # trained on the emotion hints with labels, no pretraining
    teacher: str = "embedded"  # or "without_emotion": see `train.TEACHERS`
    texts: str = "captions"  # what stands beside the pictures: see `data.TEXTS`
    learned_from: str = "train"  # pictures: see `sides`


def scratch() -> Arm:
    return Arm(name="scratch", what="random weights, no pretraining", trained=False)


def mae() -> Arm:
    return Arm(
        name="mae",
        what="L3 alone: reconstruction of masked patches",
        overrides={"loss.contrastive_on": "false", "loss.similarity_on": "false"},
    )


def distillation() -> Arm:
    return Arm(
        name="distillation",
        what="L1 and L2 alone: the teacher's features, both views, nothing reconstructed",
        overrides={"loss.reconstruction_on": "false"},
    )


def without_person() -> Arm:
    return Arm(
        name="without_person",
        what="the full method with the scene view alone",
        overrides={"model.fusion": "scene_only"},
    )


def full() -> Arm:
    return Arm(name="full", what="L1 + L2 + L3, scene and person views")


def without_l1() -> Arm:
    return Arm(
        name="without_l1",
        what="L2 + L3: no similarities to texts",
        overrides={"loss.contrastive_on": "false"},
    )


def without_l2() -> Arm:
    return Arm(
        name="without_l2",
        what="L1 + L3: no cosine to the teacher's image feature",
        overrides={"loss.similarity_on": "false"},
    )


def paired() -> Arm:
    return Arm(
        name="paired",
        what="the full method, L1 as cross-entropy of finding the row's own text",
        overrides={"loss.contrastive_kind": "paired"},
    )


def plain() -> Arm:
    return Arm(
        name="plain",
        what="the full method, the teacher run in every step on fresh crops; `full` stores four",
        overrides={"teacher.features": "live"},
    )


def light_decoder() -> Arm:
    return Arm(
        name="light_decoder",
        what="`full` with a cross-attention decoder on a quarter of the masked patches",
        overrides={"model.decoder": "cross", "model.predicted_share": "0.25"},
    )


def small_and_long() -> Arm:
    return Arm(
        name="small_and_long",
        what="`light_decoder` with four blocks in place of twelve: more steps for the same time",
        overrides={**light_decoder().overrides, "model.depth": "4"},
    )


def out_of_domain() -> Arm:
    return Arm(
        name="out_of_domain",
        what="`small_and_long` without any picture by the artists whose faces are asked about",
        overrides=small_and_long().overrides,
        learned_from="out_of_domain",
    )


def fewer_pictures() -> Arm:
    return Arm(
        name="fewer_pictures",
        what="`small_and_long` on as few pictures as `out_of_domain`, of all kinds",
        overrides=small_and_long().overrides,
        learned_from="fewer",
    )


def texts_without_emotion() -> Arm:
    return Arm(
        name="texts_without_emotion",
        what="the full method; texts of pictures with an emotion hint say nothing",
        texts="without_emotion",
    )


def texts_with_emotion() -> Arm:
    return Arm(
        name="texts_with_emotion",
        what="the full method; texts of pictures with an emotion hint end in it",
        texts="with_emotion",
    )


def teacher_without_emotion() -> Arm:
    return Arm(
        name="teacher_without_emotion",
        what="the full method; its teacher learned without emotion hints and emotion words",
        teacher="without_emotion",
    )


def supervised_hints() -> Arm:
    return Arm(
        name="supervised_hints",
        what="control: the same ViT trained on the pictures' emotion hints and nothing else",
        supervised=True,
    )


ARMS: dict[str, Callable[[], Arm]] = {
    make.__name__: make
    for make in (
        *(scratch, mae, distillation, without_person, full),
        *(plain, light_decoder, small_and_long, without_l1, without_l2, paired),
        *(out_of_domain, fewer_pictures),
        *(texts_without_emotion, texts_with_emotion),
        *(teacher_without_emotion, supervised_hints),
    )
}
FIRST_FIVE = ("scratch", "mae", "distillation", "without_person", "full")


def get(name: str) -> Arm:
    """The arm of that name; Emo8Error with the nearest one otherwise."""
    if name not in ARMS:
        raise Emo8Error(f"--arms {name}: no such arm; {suggest(name, ARMS)}")
    return ARMS[name]()
