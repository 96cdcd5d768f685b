"""Leave one artist out: the artist's own labels never teach, whatever they say."""

import numpy as np
import torch

from benchmarks.lab.learned import Seen
from benchmarks.lab.study import artists


def seen(features: torch.Tensor) -> Seen:
    return Seen(student=None, features=features, teacher=features, own_text=torch.zeros(0))


def test_left_out__an_artist_whose_faces_mean_the_opposite_is_always_wrong() -> None:
    shown = torch.tensor([[1.0], [-1.0]]).repeat(20, 4)
    emotions = np.array(["awe", "fear"] * 20, dtype=object)
    emotions[30:] = np.array(["fear", "awe"] * 5, dtype=object)  # the third artist's
    who = np.array(["a"] * 15 + ["b"] * 15 + ["c"] * 10, dtype=object)
    looks = {"train": seen(shown[:25]), "families": seen(shown[25:])}
    found = artists._left_out(looks, who, emotions)
    assert found["a"] == [1.0] * 15 and found["c"] == [0.0] * 10


def test_left_out__one_artist_alone_cannot_be_asked() -> None:
    looks = {"train": seen(torch.ones(2, 1)), "families": seen(torch.ones(2, 1))}
    who = np.array(["a", "a", None, None], dtype=object)
    assert artists._left_out(looks, who, np.array(["awe"] * 4, dtype=object)) == {}
