"""Ready-made meanings for the words of known vocabularies: `[votes] vocabularies`.

A word is mapped only where its theory itself puts it with one of Mikels' eight emotions; the others
are kept as words and count for none ("").

- `ekman`: Ekman (1992), "An argument for basic emotions", Cognition and Emotion 6. Four of the six
  are among the eight under their own names. Mikels et al. (2005), Behavior Research Methods 37(4),
  have four kinds of positive feeling in place of happiness, and nothing for surprise.
- `plutchik`: Plutchik (2001), "The nature of emotions", American Scientist 89(4). The milder and
  the stronger form of a primary emotion are that emotion; awe is the dyad of fear and surprise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emo8.core.label_set import LabelSet
from emo8.core.settings import Vocabulary

READY: dict[Vocabulary, dict[str, str]] = {
    "ekman": {
        "anger": "anger", "disgust": "disgust", "fear": "fear", "sadness": "sadness",
        "happiness": "", "surprise": "",
    },
    "plutchik": {
        "annoyance": "anger", "anger": "anger", "rage": "anger",
        "apprehension": "fear", "fear": "fear", "terror": "fear",
        "pensiveness": "sadness", "sadness": "sadness", "grief": "sadness",
        "boredom": "disgust", "disgust": "disgust", "loathing": "disgust",
        "awe": "awe",
        "serenity": "", "joy": "", "ecstasy": "", "acceptance": "", "trust": "", "admiration": "",
        "distraction": "", "surprise": "", "amazement": "", "interest": "", "anticipation": "",
        "vigilance": "",
    },
}  # fmt: skip


def meanings(
    vocabularies: Sequence[Vocabulary], own: Mapping[str, str], labels: LabelSet
) -> dict[str, str]:
    """Word -> emotion of `labels`, or "" to keep the word; the recipe's `own` words go first.

    Names of the label set itself mean themselves, and a word whose emotion it lacks is not mapped.
    """
    ready = {word: name for key in vocabularies for word, name in READY[key].items()}
    fits = {
        word: name
        for word, name in ready.items()
        if word not in labels.emotions and name in ("", *labels.emotions)
    }
    return {**fits, **own}
