"""What a free text says: the labels it names, by a rule that is written down and numbered.

1. A JSON object gives its `answer`, `emotion`, `label` or `prediction`; what a model thought aloud
   (`<think>…</think>`) is left out; behind the last "answer:", "answer is" or the like only the
   rest counts, if it names a label.
2. The text is cut into thoughts at full stops, colons, dashes and words such as "but".
3. In a thought, a label counts by its name, another form of it, or a synonym; not where a negator
   stands before it, and not behind a refusal.
4. One label: that is the answer. Several: it names them all. None, behind a refusal or without a
   letter: refused. None else: outside the vocabulary. Neither is ever taken as a guess.

The words are those of `words-1.toml`.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from emo8.core.json_text import parse_json

NAMED, REFUSED, OFF_VOCABULARY = "named", "refused", "off_vocabulary"
RULE_FILE = Path(__file__).with_name("words-1.toml")
_KEYS = ("answer", "emotion", "label", "prediction")
_THOUGHTS = re.compile(r"<think>.*?(</think>|$)", re.DOTALL | re.IGNORECASE)
_MARKER = re.compile(
    r"(?:final answer|answer|prediction|(?:main|dominant|primary) emotion)\s*(?:is|:|=)\s*:?",
    re.IGNORECASE,
)
_HARD = re.compile(r"[.;:!?\n()\[\]\u2013\u2014]+|\s-+\s")
_LONGEST = 3  # words of a phrase
_JOINING = ("or", "nor", "and")


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What an answer says."""

    kind: str  # named, refused or off_vocabulary
    names: tuple[str, ...] = ()  # the labels, in the order in which they are named
    how: str = ""  # exact, inflection or synonym: the loosest that was needed


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The labels of a dataset, and the words that mean one of them."""

    names: tuple[str, ...]
    phrases: dict[tuple[str, ...], tuple[str, str]]  # words -> label, how
    alone: dict[str, str]  # whole answer -> label


@cache
def rule() -> dict[str, Any]:
    """The table of words."""
    return tomllib.loads(RULE_FILE.read_text("utf-8"))


@cache
def rule_sha256() -> str:
    """Which words: results name them."""
    return hashlib.sha256(RULE_FILE.read_bytes()).hexdigest()


def vocabulary(names: Sequence[str]) -> Vocabulary:
    """The words for a dataset's labels; a word that is a label itself is no synonym of another.

    A word that would mean two of the labels means neither.
    """
    exact: dict[tuple[str, ...], tuple[str, str]] = {}
    for name in names:
        spellings = {name, *name.split("/")} if "/" in name else {name}
        exact |= {tuple(_words(text)): (name, "exact") for text in spellings}
    alone: dict[str, str] = {}
    found: dict[tuple[str, ...], set[tuple[str, str]]] = {}
    for name in names:
        entry = rule()["labels"].get(name.lower(), {})
        alone |= dict.fromkeys(entry.get("alone", ()), name)
        for how in ("inflections", "synonyms"):
            for word in entry.get(how, ()):
                found.setdefault(tuple(_words(word)), set()).add((name, how[:-1]))
    loose = {}
    for words, meanings in found.items():
        forms = {m for m in meanings if m[1] == "inflection"} or meanings
        if words not in exact and len({name for name, _ in forms}) == 1:
            loose[words] = next(iter(forms))
    return Vocabulary(names=tuple(names), phrases={**loose, **exact}, alone=alone)


def understand(text: str, known: Vocabulary, options: Sequence[str] = ()) -> Meaning:
    """What `text` says; `options` are the labels as they were offered, for answers like "(b)"."""
    text = _THOUGHTS.sub(" ", _from_json(text))
    whole = " ".join(_words(text))
    if whole in known.alone:
        return Meaning(kind=NAMED, names=(known.alone[whole],), how="inflection")
    chosen = _option(text, options)
    if chosen is not None and chosen in known.names:
        return Meaning(kind=NAMED, names=(chosen,), how="exact")
    if whole in rule()["refusing_whole"]:
        return Meaning(kind=REFUSED)
    marked = [m.end() for m in _MARKER.finditer(text)]
    if marked:
        meaning = _meaning(text[marked[-1] :], known)
        if meaning.kind == NAMED:
            return meaning
    return _meaning(text, known)


def _from_json(text: str) -> str:
    """The answer in a JSON object, bare or in a fence; the text itself where there is none."""
    found = re.search(r"\{.*\}", text, re.DOTALL)
    if found is None:
        return text
    try:
        content = parse_json(found.group())
    except ValueError:
        return text
    for key in _KEYS:
        if isinstance(content, dict) and content.get(key) is not None:
            value = content[key]
            return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text


def _option(text: str, options: Sequence[str]) -> str | None:
    """The offered label that a bare letter or number stands for."""
    found = re.fullmatch(r"\W*(?:option\s+)?([a-z]|\d{1,2})\W*", text.strip().lower())
    if found is None or not options:
        return None
    sign = found.group(1)
    place = int(sign) - 1 if sign.isdigit() else ord(sign) - ord("a")
    return options[place] if 0 <= place < len(options) else None


def _meaning(text: str, known: Vocabulary) -> Meaning:
    named: dict[str, str] = {}
    refused = False
    for thought in _thoughts(text):
        spoken, refuses = _before_refusal(thought)
        refused |= refuses
        for name, how in _asserted(spoken, known):
            named.setdefault(name, how)
    if named:
        order = ("exact", "inflection", "synonym")
        how = max(named.values(), key=order.index)
        return Meaning(kind=NAMED, names=tuple(named), how=how)
    return Meaning(kind=REFUSED if refused else OFF_VOCABULARY)


def _thoughts(text: str) -> Iterator[list[list[str]]]:
    """Thoughts as lists of clauses (cut at commas) of words."""
    for sentence in _HARD.split(text):
        clauses: list[list[str]] = [[]]
        for part in sentence.split(","):
            words: list[str] = []
            for word in _words(part):
                if word in rule()["breaks"]:
                    yield [*clauses, words]
                    clauses, words = [], []
                else:
                    words.append(word)
            clauses.append(words)
        yield clauses


def _before_refusal(clauses: list[list[str]]) -> tuple[list[list[str]], bool]:
    """The clauses up to the first refusal of a thought, and whether there is one."""
    kept = []
    for words in clauses:
        for phrase in rule()["refusals"]:
            place = _find(words, phrase.split())
            if place is not None:
                return [*kept, words[:place]], True
        kept.append(words)
    return kept, False


def _asserted(clauses: list[list[str]], known: Vocabulary) -> Iterator[tuple[str, str]]:
    """Labels of a thought that no negator takes back."""
    goes_on = False  # whether a list that is taken back may go on behind a comma
    for number, words in enumerate(clauses):
        scope = _Scope()
        scope.in_list = goes_on and _is_list_with_or(clauses[number:], known)
        labels = {start: (end, name, how) for start, end, name, how in _labels(words, known)}
        place = 0
        while place < len(words):
            if place not in labels:
                scope.word(words[place])
                place += 1
                continue
            place, name, how = labels[place]
            free = words[place : place + 1] == ["free"]  # "fear-free"
            if not scope.label() and not free:
                yield name, how
        goes_on = scope.in_list


class _Scope:
    """How far a negator reaches: over some words to a label, and over the list it starts."""

    def __init__(self) -> None:
        self.in_list = False  # the last word was a label taken back, or joins on to one
        self._away: int | None = None  # words that say something since the negator; None = no scope

    def word(self, word: str) -> None:
        joins = self.in_list and word in _JOINING
        self.in_list = joins
        if word in rule()["negators"]:
            doubled = self._away is not None and word != "nor"
            self._away = None if doubled else 0
        elif self._away is not None and not joins and word not in rule()["light"]:
            self._away += 1

    def label(self) -> bool:
        """Whether a label that stands here is taken back."""
        near = self._away is not None and self._away <= rule()["reach"]
        self.in_list = near or self.in_list
        self._away = None
        return self.in_list


def _labels(words: list[str], known: Vocabulary) -> Iterator[tuple[int, int, str, str]]:
    """(start, end, label, how) of each label's words, the longest phrase first."""
    place = 0
    while place < len(words):
        for length in range(min(_LONGEST, len(words) - place), 0, -1):
            meaning = known.phrases.get(tuple(words[place : place + length]))
            if meaning is not None:
                yield place, place + length, *meaning
                place += length - 1
                break
        place += 1


def _is_list_with_or(clauses: list[list[str]], known: Vocabulary) -> bool:
    """Whether clauses of nothing but labels start here, and one of them has an "or" or "nor"."""
    for words in clauses:
        covered = sum(end - start for start, end, *_ in _labels(words, known))
        if not words or covered + sum(word in _JOINING for word in words) < len(words):
            return False
        if {"or", "nor"} & set(words):
            return True
    return False


def _words(text: str) -> list[str]:
    """Lower-case words; contractions and phrases that mean "not" or nothing are written out."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'").replace("_", " ")
    plain = re.sub(r"\bcan't\b|\bcannot\b", "can not", plain)
    plain = re.sub(r"\bwon't\b", "will not", plain)
    plain = re.sub(r"n't\b", " not", plain)
    plain = re.sub(r"\bi'm\b", "i am", plain)
    plain = " ".join(re.findall(r"[^\W_]+", plain.replace("'", "")))
    for phrase in rule()["as_nothing"]:
        plain = re.sub(rf"\b{phrase}\b", " ", plain)
    for phrase in rule()["as_not"]:
        plain = re.sub(rf"\b{phrase}\b", " not ", plain)
    return plain.split()


def _find(words: list[str], phrase: list[str]) -> int | None:
    for place in range(len(words) - len(phrase) + 1):
        if words[place : place + len(phrase)] == phrase:
            return place
    return None


def printed(names: Sequence[str] = ()) -> str:
    """The rule and its table, for people; of all labels, or of those in `names`."""
    table = rule()
    lines = [f"rule {table['version']} (SHA-256 {rule_sha256()[:16]})", "", (__doc__ or "").strip()]
    for key in ("negators", "as_not", "as_nothing", "breaks", "refusals"):
        lines += ["", f"{key}: {', '.join(table[key])}"]
    for name, entry in table["labels"].items():
        if names and name not in names:
            continue
        parts = [f"{how}: {', '.join(words)}" for how, words in entry.items() if words]
        lines += ["", name, *(f"  {part}" for part in parts)]
    return "\n".join(lines)
