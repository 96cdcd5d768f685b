"""Write docs/reference from the code: python -m docs.make_reference, from the root of the clone.

Recipe keys, settings, commands, columns, reasons and stable Python names, each with what the code
says about it. A test compares the pages with the code.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import inspect
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from emo8.core import checks, reasons, schema, settings
from pretrain.config import help, recipes
from pretrain.config.settings import PretrainConfig, as_dict, differences

FOLDER = Path(__file__).parent / "reference"
NOTE = "Written from the code by `python -m docs.make_reference`; do not edit."
RECIPE = (
    "Strict TOML: an unknown key is an error that names the nearest valid one. Only `[[source]]` "
    "is needed, with `kind` and `path`."
)
SETTINGS = "`uniemox pretrain RECIPE --section.field value` changes any of them."
EXIT_CODES = (
    "Exit codes: 0 done; 1 something failed that was not your mistake; 2 your mistake, named in "
    "one line (`--debug` shows where); 130 interrupted; 141 whoever read the output stopped."
)
WIDTH = "100"  # columns of the help texts, whatever the terminal
# What stays: module -> names; a whole module where none are listed.
STABLE: dict[str, tuple[str, ...]] = {
    "emo8": ("build", "open_build", "label", "Build"),
    "emo8.core.taxonomy": ("parse_emotion", "parse_style"),
    "emo8.core.errors": ("Emo8Error",),
    "pretrain": ("load", "Model"),
    "pretrain.config.recipes": ("get",),
    "pretrain.step": ("build",),
}
CONSTANTS = {"emo8.core.taxonomy": ("EMOTIONS", "STYLES"), "emo8.core.schema": ("PUBLISHED",)}


def pages() -> dict[str, str]:
    """File name -> text of every page."""
    made = {
        "recipe.md": recipe_page(),
        "dataset.md": dataset_page(),
        "pretraining.md": pretraining_page(),
        "commands.md": commands_page(),
        "python.md": python_page(),
    }
    index = ["# Reference", "", NOTE, ""]
    index += [
        f"- [{text.splitlines()[0].removeprefix('# ')}]({name})" for name, text in made.items()
    ]
    return {"README.md": "\n".join(index) + "\n", **made}


def recipe_page() -> str:
    """Every key of a build's recipe."""
    parts = ["# The recipe of a build", NOTE, RECIPE]
    top = [f for f in dataclasses.fields(settings.Recipe) if not _section(f)]
    parts.append(_fields(settings.Recipe, [f.name for f in top]))
    for each in dataclasses.fields(settings.Recipe):
        if cls := _section(each):
            title = f"[[{each.name}]]" if each.name == "source" else f"[{each.name}]"
            parts += [f"## {title}", _doc(cls), _fields(cls)]
    styles = ["`[decide.style.NAME]` where the common threshold is left alone:", ""]
    styles += [f"- {style}: " + ", ".join(f"`{k} = {v:g}`" for k, v in values.items())
               for style, values in settings.STYLE_DEFAULTS.items()]  # fmt: skip
    return "\n\n".join([*parts, "\n".join(styles)]) + "\n"


def dataset_page() -> str:
    """Columns of a published row, and why inputs leave."""
    columns = ((name, str(c.type), c.meaning) for name, c in schema.PUBLISHED.items())
    votes = ((name, str(c.type), c.meaning) for name, c in schema.PUBLISHED_VOTES.items())
    return "\n\n".join(
        [
            "# The dataset: columns and reasons",
            NOTE,
            "## Columns",
            _table(("column", "type", "what it is"), columns),
            "## Votes",
            'What `load_dataset(name, "votes")` shows, where annotators agreed.',
            _table(("column", "type", "what it is"), votes),
            "## Reasons why an input leaves",
            _table(("reason", "what it means"), reasons.REASONS.items()),
        ]
    ) + "\n"  # fmt: skip


def pretraining_page() -> str:
    """Recipes of `uniemox pretrain` and every setting."""
    plain = as_dict(PretrainConfig(recipe="", steps=1))
    parts = ["# Pretraining: recipes and settings", NOTE, SETTINGS, "## Recipes"]
    for name, make in recipes.RECIPES.items():
        own = as_dict(make())
        told = [f"{own['steps']} steps" if own["steps"] else f"{own['epochs']:g} epochs"]
        length = {name: plain[name] for name in ("recipe", "steps", "epochs")}
        for line in differences(plain, {**own, **length}):
            told.append(line.replace(" before, ", " → ").removesuffix(" now"))
        parts += [f"### {name}", _doc(make), "\n".join(f"- {line}" for line in told)]
    parts.append("## Settings")
    parts.append(_fields(PretrainConfig, ["seed", "steps", "epochs"]))
    for section, cls in help.SECTIONS.items():
        parts += [f"### {section}", _doc(cls), _fields(cls)]
    return "\n\n".join(parts) + "\n"


def commands_page() -> str:
    """Every command with its help."""
    parts = ["# Commands", NOTE, EXIT_CODES]
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDTH
    try:
        for program, module in (("emo8", "emo8"), ("uniemox", "pretrain"),
                                ("emo8-bench", "benchmarks")):  # fmt: skip
            parser = importlib.import_module(f"{module}.cli").build_parser()
            parts += [f"## {program}", _text(parser.format_help())]
            for title, command in _commands(parser, program):
                parts += [f"### {title}", _text(command.format_help())]
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    return "\n\n".join(parts) + "\n"


def python_page() -> str:
    """Stable names with their signatures."""
    parts = ["# Python: stable names", NOTE, "Everything else may move. Examples: "
             "[from Python](../api.md)."]  # fmt: skip
    for module, names in STABLE.items():
        found = importlib.import_module(module)
        parts.append(f"## {module}")
        for name in CONSTANTS.get(module, ()):
            parts.append(f"`{module}.{name}` = {', '.join(f'`{v}`' for v in getattr(found, name))}")
        for name in names:
            parts += list(_name(module, found, name))
    parts += [
        "## emo8.core.schema",
        "`emo8.core.schema.PUBLISHED`: the columns of [the dataset](dataset.md).",
    ]
    return "\n\n".join(parts) + "\n"


def _name(module: str, found: ModuleType, name: str) -> Iterator[str]:
    thing = getattr(found, name)
    yield f"### {module}.{name}"
    yield _doc(thing)
    if not inspect.isclass(thing):
        yield _code(name + _signature(thing))
        return
    if issubclass(thing, Exception):
        return
    for attribute, value in vars(thing).items():
        if attribute.startswith("_"):
            continue
        if isinstance(value, property):
            yield f"`.{attribute}`: {_doc(value)}"
        elif inspect.isfunction(value):
            yield f"`.{attribute}{_signature(value)}`: {_doc(value)}"


def _signature(thing: Any) -> str:
    """As a reader calls it: without `self`, and with types that are not in quotes."""
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(thing)))
    return re.sub(r"^\(self(, )?", "(", text)


def _commands(
    parser: argparse.ArgumentParser, title: str
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command below, and those below it, with the words that call it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield f"{title} {name}", command
                yield from _commands(command, f"{title} {name}")


def _section(each: dataclasses.Field[Any]) -> type | None:
    """The dataclass of a section; None for a plain key."""
    if each.name == "source":
        return settings.SourceConfig
    factory = each.default_factory
    return factory if isinstance(factory, type) and dataclasses.is_dataclass(factory) else None


def _fields(cls: type, only: list[str] | None = None) -> str:
    said = {check.threshold: check.why for check in checks.registered()}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base) and base is not settings.Thresholds:
            said |= help.comments(base)
    rows = [
        (each.name, _default(each), _kinds(each) + _spelled(said.get(each.name, "")))
        for each in dataclasses.fields(cls)
        if only is None or each.name in only
    ]
    return _table(("key", "default", "what it is"), rows)


def _kinds(each: dataclasses.Field[Any]) -> str:
    """The kinds of sources that a key is for, where it is not for all."""
    kinds = each.metadata.get("kinds", ())
    return f"{', '.join(kinds)}: " if kinds else ""


def _spelled(text: str) -> str:
    """With the values of the constants that a comment names."""
    for word in re.findall(r"\b[A-Z]+_[A-Z]+\b|\bCLAIMANTS\b", text):
        if isinstance(values := getattr(settings, word, None), tuple):
            text = text.replace(word, ", ".join(_toml(value) for value in values))
    return text


def _default(each: dataclasses.Field[Any]) -> str:
    if each.default is not dataclasses.MISSING:
        value = each.default
    elif each.default_factory is not dataclasses.MISSING:
        value = each.default_factory()
    else:
        return "needed"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(_toml(part) for part in value)}]`"
    return "`{}`" if isinstance(value, Mapping) else f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:_}" if isinstance(value, int) else f"{value:.6g}"


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [" | ".join(head), "|".join(["---"] * len(head))]
    for first, *rest in rows:
        cells = [f"`{first}`", *rest]
        lines.append(" | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells))
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)


def _doc(thing: Any) -> str:
    return inspect.getdoc(thing) or ""


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _text(text: str) -> str:
    lines = [line.rstrip() for line in text.strip().splitlines()]
    return "\n".join(["```text", *lines, "```"])


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
