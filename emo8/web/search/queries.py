"""Search terms from a vocabulary: keyword x emotion x style, in several languages."""

from __future__ import annotations

import csv
import io
import itertools
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from emo8.core.errors import Emo8Error, RecipeError
from emo8.core.suggest import suggest
from emo8.core.taxonomy import EMOTIONS, STYLES

DEFAULT_PATH = Path(__file__).resolve().parent / "vocabulary.toml"
Cell = tuple[str, str]  # emotion, style
CELLS: tuple[Cell, ...] = tuple(itertools.product(EMOTIONS, STYLES))


@dataclass(frozen=True, kw_only=True)
class Query:
    """One search term, and what it is made of."""

    query: str
    emotion: str
    style: str
    language: str
    keyword: str = ""
    emotion_word: str = ""
    style_word: str = ""

    @property
    def cell(self) -> Cell:
        return self.emotion, self.style


@dataclass(frozen=True, kw_only=True)
class SearchVocabulary:
    """Templates, keywords, and words of emotions and styles, by language."""

    templates: dict[str, str]
    keywords: dict[str, list[str]]
    emotions: dict[str, dict[str, list[str]]]  # emotion -> language -> words
    styles: dict[str, dict[str, list[str]]]
    sources: dict[str, str]  # emotion -> where its words come from


def load_vocabulary(path: Path | None = None) -> SearchVocabulary:
    """The vocabulary in a TOML file (default: the shipped one); RecipeError names what is wrong."""
    path = path or DEFAULT_PATH
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"vocabulary {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"vocabulary {path} is not TOML: {error}") from None
    languages = _table(content, "languages", path)
    _check_names(languages, path)
    keywords = {name: _words(t.get("keywords", [""]), path) for name, t in languages.items()}
    tables = {name: _table(content, name, path) for name in ("emotions", "styles")}
    for name, known in (("emotions", EMOTIONS), ("styles", STYLES)):
        for word in tables[name]:
            if word not in known:
                raise RecipeError(f"{path}: unknown [{name}.{word}]; {suggest(word, known)}")
    return SearchVocabulary(
        templates={name: str(table["template"]) for name, table in languages.items()},
        keywords=keywords,
        emotions={name: _by_language(table, languages, path, name)
                  for name, table in tables["emotions"].items()},
        styles={name: _by_language(table, languages, path, name)
                for name, table in tables["styles"].items()},
        sources={name: str(t.get("source", "")) for name, t in tables["emotions"].items()},
    )  # fmt: skip


def make_queries(
    vocabulary: SearchVocabulary, *, languages: list[str] | None = None, per_cell: int | None = None
) -> list[Query]:
    """Distinct terms, cell by cell, each cell's most central ones first.

    The first words of every list come first, together; `per_cell` keeps that many of each cell.
    """
    chosen = languages or list(vocabulary.templates)
    for name in chosen:
        if name not in vocabulary.templates:
            known = ", ".join(vocabulary.templates)
            raise Emo8Error(f"the vocabulary has no language {name!r}; it has {known}")
    made: list[Query] = []
    for emotion, style in CELLS:
        ranked = sorted(_cell(vocabulary, emotion, style, chosen), key=lambda item: item[0])
        distinct = dict.fromkeys(query.query for _, query in ranked)
        first = {text: next(q for _, q in ranked if q.query == text) for text in distinct}
        made += list(first.values())[:per_cell]
    return made


def _cell(
    vocabulary: SearchVocabulary, emotion: str, style: str, languages: list[str]
) -> Iterator[tuple[tuple[int, ...], Query]]:
    """All terms of one cell with their rank."""
    for place, language in enumerate(languages):
        words = vocabulary.emotions.get(emotion, {}).get(language, [])
        looks = vocabulary.styles.get(style, {}).get(language, [])
        keywords = vocabulary.keywords[language]
        for (w, word), (k, keyword), (s, look) in itertools.product(
            enumerate(words), enumerate(keywords), enumerate(looks)
        ):
            text = vocabulary.templates[language].format(emotion=word, keyword=keyword, style=look)
            query = Query(
                query=" ".join(text.split()), emotion=emotion, style=style, language=language,
                keyword=keyword, emotion_word=word, style_word=look,
            )  # fmt: skip
            yield (w + k + s, place, w, k, s), query


def as_csv(queries: list[Query]) -> str:
    """The terms as CSV."""
    out = io.StringIO()
    table = csv.DictWriter(out, [field.name for field in fields(Query)], lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(query) for query in queries)
    return out.getvalue()


def read_queries(path: Path) -> list[Query]:
    """The terms in a CSV file with the columns query, emotion and style; others are optional."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise Emo8Error(f"queries {path} cannot be read: {error}") from None
    names = {field.name for field in fields(Query)}
    found = []
    for number, line in enumerate(lines, 2):
        values = {key: (value or "").strip() for key, value in line.items() if key in names}
        emotion, style = values.get("emotion", ""), values.get("style", "")
        if not values.get("query") or emotion not in EMOTIONS or style not in STYLES:
            raise Emo8Error(
                f"{path} line {number}: needs query, emotion (one of {', '.join(EMOTIONS)}) and "
                f"style (one of {', '.join(STYLES)}); it has {dict(line)}"
            )
        found.append(Query(**{"language": "", **values}))
    if not found:
        raise Emo8Error(f"{path} holds no query; `emo8 search queries -o {path}` makes some")
    return found


def by_cell(queries: list[Query]) -> dict[Cell, list[Query]]:
    """The terms of each cell, in order; cells without terms are there, empty."""
    cells: dict[Cell, list[Query]] = defaultdict(list, {cell: [] for cell in CELLS})
    for query in queries:
        cells[query.cell].append(query)
    return dict(cells)


def _table(content: dict[str, Any], name: str, path: Path) -> dict[str, dict[str, Any]]:
    table = content.get(name)
    if not isinstance(table, dict) or not all(isinstance(v, dict) for v in table.values()):
        raise RecipeError(f"{path} needs tables [{name}.NAME]; see {DEFAULT_PATH.name} as shipped")
    return table


def _check_names(languages: dict[str, dict[str, Any]], path: Path) -> None:
    for name, table in languages.items():
        template = str(table.get("template", ""))
        try:
            template.format(emotion="", keyword="", style="")
        except (KeyError, IndexError, ValueError) as error:
            raise RecipeError(f"{path}: template of language {name!r}: bad place {error}") from None
        if "{emotion}" not in template or "{style}" not in template:
            raise RecipeError(
                f"{path}: template of language {name!r} must hold {{emotion}} and {{style}}"
            )


def _by_language(
    table: dict[str, Any], languages: dict[str, Any], path: Path, name: str
) -> dict[str, list[str]]:
    for key in table:
        if key != "source" and key not in languages:
            raise RecipeError(
                f"{path}: [{name}] has words in {key!r}, but there is no [languages.{key}]"
            )
    return {key: _words(words, path) for key, words in table.items() if key != "source"}


def _words(value: Any, path: Path) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise RecipeError(f"{path}: {value!r} is no list of words")
    return value
