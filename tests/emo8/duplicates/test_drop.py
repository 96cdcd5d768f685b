import numpy as np
import pandas as pd

from emo8.duplicates.drop import without_disputes


def test_without_disputes__pictures_with_other_emotions_are_never_copies() -> None:
    told = pd.DataFrame({"left": [0, 0, 1, 2], "right": [1, 2, 3, 3], "verdict": ["copy"] * 4})
    emotions = np.array(["awe", "fear", "awe", None], object)
    judged = without_disputes(told, emotions)
    assert judged["verdict"].tolist() == ["disputed", "copy", "copy", "copy"]


def test_without_disputes__no_pairs_are_no_trouble() -> None:
    told = pd.DataFrame({"left": [], "right": [], "verdict": []})
    assert without_disputes(told, np.array(["awe"], object)).empty
