"""The dataset card: what a reader must know, from the build's numbers and the publisher's words.

What only a person can answer is never made up: it is listed as the publisher's to fill.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

from emo8.core import plain_text, schema
from emo8.core.errors import RecipeError
from emo8.core.label_set import MIKELS, NO_STYLE
from emo8.core.plain_text import Markdown
from emo8.core.reasons import REASONS
from emo8.core.settings import PublishConfig
from emo8.core.suggest import suggest
from emo8.dataset.shards import README
from emo8.engine.files import write_text
from emo8.labels.clip.models import EMBEDDED, EMBEDDED_KNOWS
from emo8.publish import card_numbers, cardyaml
from emo8.publish.croissant import write_croissant
from emo8.report import understood

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
UNRELEASED = "0.0.0"  # the version of a build that was not published


@dataclass(frozen=True, kw_only=True)
class CardInput:
    """What the card says besides the numbers of the shards."""

    name: str  # of the recipe
    repo: str  # what a reader passes to load_dataset
    publish: PublishConfig
    stats: dict[str, Any]  # report/stats.json of the build
    version: str = UNRELEASED
    history: str = "Not released yet."  # Markdown
    grid: str = ""  # path of the sample picture below the folder
    tag: str = ""  # of the release on the Hub
    rows_root: str = ""  # the hash over all rows (merkle.py)


def write_card(root: Path, given: CardInput) -> None:
    """Write `README.md` and `croissant.json` of a dataset folder."""
    numbers = context(root, given)
    title = numbers["title"]
    front = cardyaml.front_matter(
        root,
        title=title,
        language=given.publish.language,
        licenses=card_numbers.hub_licenses(numbers),
        annotators=card_numbers.annotators(numbers),
    )
    datasheet, unanswered = _datasheet(numbers)
    policy = _render("removal_policy.md", numbers)
    text = _render(
        "dataset.md",
        {
            **numbers,
            "front_matter": Markdown(front),
            "datasheet": datasheet,
            "unanswered": unanswered,
            "removal_policy": policy,
        },
    )
    write_text(root / README, re.sub(r"\n{3,}", "\n\n", text))
    write_croissant(root, numbers, render_text)


def context(root: Path, given: CardInput) -> dict[str, Any]:
    """Everything the templates may use."""
    check_answers(given.publish)
    counted = card_numbers.count(root)
    funnel, labels = given.stats["funnel"], counted["labels"]
    summary = (
        f"{_labelled(counted)}{_in_styles(counted)}, with label "
        "distributions, texts, person boxes, provenance and a licence for each."
    )
    return {
        **counted,
        "name": given.name,
        "key": re.sub(r"\W+", "", given.name) or "dataset",
        "title": given.publish.title or given.name,
        "repo": given.repo,
        "summary": summary,
        "publish": given.publish,
        "version": given.version,
        "tag": given.tag,
        "rows_root": given.rows_root,
        "history": Markdown(given.history),
        "grid": given.grid,
        "funnel": funnel,
        "removed": funnel["rejected"].get("removed", 0),
        "embedded_knows": EMBEDDED_KNOWS if EMBEDDED in given.stats["models"] else "",
        "models": [_model_name(name) for name in given.stats["models"]],
        "agreement": given.stats.get("agreement"),
        "votes": given.stats.get("votes"),
        "calibration": given.stats.get("calibration"),
        "leaks": given.stats.get("leaks"),
        "fetch": given.stats.get("fetch"),
        "understood": understood.for_card(given.stats.get("understood") or {}),
        "emotions": labels.emotions,
        "styles": labels.styles,
        "is_mikels": labels.emotions == MIKELS.emotions,
        "in_words": _in_words,
        "reasons": REASONS,
        "cite_as": _citation(given),
        "columns": {name: column.meaning for name, column in schema.PUBLISHED.items()},
    }


def _labelled(counted: dict[str, Any]) -> str:
    emotions = f"labelled with one of {_in_words(len(counted['labels'].emotions))} emotions"
    rows, unlabelled = counted["num_rows"], counted["unlabelled"]
    return f"{rows} images{f', {rows - unlabelled} of them' if unlabelled else ''} {emotions}"


def _in_styles(counted: dict[str, Any]) -> str:
    """The styles that rows have; rows without one are not counted among them."""
    names = [name for name in counted["counts"] if name != NO_STYLE]
    if not names:
        return ""
    known = "style" if len(names) == 1 else "styles"
    return f" in {len(names)} {known} ({', '.join(names)})"


def _in_words(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)


def _citation(given: CardInput) -> str:
    """How to cite a release, in one line: authors, year, title, version, address."""
    publish = given.publish
    year = f" ({publish.date[:4]})" if publish.date else ""
    where = publish.homepage or (given.repo if given.repo.count("/") == 1 else "")
    title = publish.title or given.name
    parts = [f"{', '.join(publish.authors)}{year}", title, f"version {given.version}", where]
    return ". ".join(part for part in parts if part) + "."


def questions() -> dict[str, str]:
    """The datasheet's questions by key, as the template states them."""
    text = _template("datasheet.md")
    return dict(re.findall(r'call q\("(\w+)", "(.+?)"\)', text))


def check_answers(publish: PublishConfig) -> None:
    """Raise RecipeError when `publish.answers` answers a question that nobody asks."""
    known = [*questions(), "annotations_per_item"]
    for key in publish.answers:
        if key not in known:
            hint = suggest(key, known)
            raise RecipeError(f"publish.answers has the unknown key {key!r}; {hint}")


def render_text(text: str, numbers: dict[str, Any], finalize: Any = None) -> str:
    """A template in a string, filled; a name it does not know is an error of ours."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, finalize=finalize
    )
    environment.filters |= {"code": plain_text.code, "markdown": Markdown}
    return environment.from_string(text).render(numbers)


def _as_text(value: Any) -> Any:
    """What a card shows of a value: Markdown is made on purpose, all else is text."""
    return plain_text.markdown(value) if type(value) is str else value


def _model_name(name: str) -> str:
    """A model's name without the path of this machine that a local one is known by."""
    kind, colon, path = name.partition(":")
    return f"{kind}:{Path(path).name}" if colon and "/" in path else name


def _datasheet(numbers: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The datasheet as Markdown, and the questions nobody has answered, by key."""
    unanswered: dict[str, str] = {}
    answers = numbers["publish"].answers

    def question(key: str, text: str, caller: Callable[[], str]) -> str:
        answer = answers.get(key) or " ".join(caller().split())
        if not answer:
            unanswered[key] = text
            answer = "*To be filled by the publisher.*"
        return Markdown(f"**{text}** {answer}\n")

    return _render("datasheet.md", {**numbers, "q": question}), unanswered


def _render(name: str, numbers: dict[str, Any]) -> Markdown:
    return Markdown(render_text(_template(name), numbers, _as_text))


def _template(name: str) -> str:
    return (files("cards") / name).read_text(encoding="utf-8")
