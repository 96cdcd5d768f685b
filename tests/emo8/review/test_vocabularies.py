"""Ready-made words of Ekman's and Plutchik's theories."""

from __future__ import annotations

from emo8.core.label_set import MIKELS, chosen
from emo8.review.vocabularies import READY, meanings
from emo8.review.words import Words


def test_ready__every_word_means_one_of_the_eight_or_stays_a_word() -> None:
    assert len(READY["ekman"]) == 6 and len(READY["plutchik"]) == 25
    for words in READY.values():
        assert set(words.values()) <= {"", *MIKELS.emotions}


def test_meanings__own_words_go_first() -> None:
    words = Words(meanings(["ekman", "plutchik"], {"happiness": "contentment"}, MIKELS))
    assert words.meaning("Happiness").emotion == "contentment"
    rage, surprise = words.meaning("rage"), words.meaning("Surprise")
    assert (rage.kind, rage.emotion, rage.word) == ("choice", "anger", "rage")
    assert (surprise.kind, surprise.emotion, surprise.word) == ("other", None, "Surprise")


def test_meanings__names_of_another_label_set_mean_themselves() -> None:
    labels = chosen(["joy", "surprise", "fear"], [])
    found = meanings(["ekman", "plutchik"], {}, labels)
    assert "surprise" not in found and "joy" not in found
    assert found["terror"] == "fear" and "rage" not in found  # no anger here to mean
