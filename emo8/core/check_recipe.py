"""Values of a recipe that have the right type and make no sense."""

from __future__ import annotations

import dataclasses
import pkgutil
import re
from datetime import date
from importlib.util import find_spec

from pydantic import TypeAdapter, ValidationError

from emo8.core.errors import RecipeError
from emo8.core.label_set import MIKELS, LabelSet
from emo8.core.networks import parse_networks
from emo8.core.recipe_errors import explain
from emo8.core.settings import (
    LAYOUT_WORDS,
    DecideConfig,
    PublishConfig,
    Recipe,
    SourceConfig,
    Thresholds,
    VotesConfig,
)
from emo8.core.suggest import suggest
from emo8.core.taxonomy import SPLITS


def check(recipe: Recipe, where: str) -> None:
    """Raise RecipeError for values that have the right type and make no sense."""
    try:
        names = recipe.labels.names()
    except ValueError as error:
        raise RecipeError(f"{where}: {error}") from None
    unknown = sorted(set(names.emotions) - set(MIKELS.emotions))
    if unknown and recipe.labels.style_prompts and not recipe.labels.prompts:
        raise RecipeError(
            f"{where}: labels.style_prompts = true: no wording for a style is shipped with words "
            f"for {unknown[0]!r}; give a file of yours as labels.prompts"
        )
    for number, source in enumerate(recipe.source):
        if source.kind not in source_kinds():
            raise RecipeError(
                f"{where}: source {number} has kind = {source.kind!r}; "
                f"{suggest(source.kind, source_kinds())}"
            )
        if source.kind != "hub" and "://" in source.path:
            raise RecipeError(
                f"{where}: source {number} has path = {source.path!r}: a path on a file system is "
                "needed, no address; mount the bucket, or download it first (docs/cluster.md)"
            )
        _check_source(source, names, f"{where}: source {number}")
    shares = recipe.splits
    total = shares.train + shares.val + shares.test
    if abs(total - 1) > 1e-6 or min(shares.train, shares.val, shares.test) < 0:
        raise RecipeError(f"{where}: [splits] must be shares that add up to 1, not {total:g}")
    for key in ("clip", "rule", "style_rule"):
        given = getattr(recipe.labels, key)
        if len(set(given)) < len(given):
            raise RecipeError(f"{where}: labels.{key} = {list(given)} names one twice: keep one")
    if recipe.labels.style_rule[-1:] != ("clip",):
        raise RecipeError(
            f'{where}: labels.style_rule = {list(recipe.labels.style_rule)}: end it with "clip", '
            "so that rows for which nobody else has a style get one"
        )
    _check_votes(recipe.votes, names, where)
    _check_publish(recipe.publish, where)
    _check_user_agent(recipe.fetch.user_agent, where)
    try:
        recipe.engine.memory_bytes()
    except ValueError as error:
        raise RecipeError(f"{where}: engine.memory = {error}") from None
    if not re.fullmatch(r"[\w.-]+", recipe.name):
        raise RecipeError(f"{where}: name = {recipe.name!r}: use letters, digits, '.', '_', '-'")
    _check_styles(recipe.decide, names, where)


def _check_publish(publish: PublishConfig, where: str) -> None:
    """Raise RecipeError for what the Hub or Croissant would not take."""
    for language in publish.language:
        if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z]{2,4})?|multilingual", language):
            raise RecipeError(f'{where}: publish.language has {language!r}: write codes as "en"')
    try:
        written = date.fromisoformat(publish.date).isoformat() if publish.date else ""
    except ValueError:
        written = None
    if written != publish.date:
        raise RecipeError(f"{where}: publish.date = {publish.date!r}: write YYYY-MM-DD")


def _check_user_agent(name: str, where: str) -> None:
    """Raise RecipeError for a name that no header can hold."""
    if name and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*[\x20-\x7e]*", name):
        raise RecipeError(
            f"{where}: fetch.user_agent = {name!r}: begin with the name that robots.txt may use, "
            'for example "mylab-crawler/1.0 (+https://example.org/crawler)"'
        )


def source_kinds() -> tuple[str, ...]:
    """The kinds of sources: the files in `emo8/sources/kinds`, none of which is imported."""
    folder = find_spec("emo8.sources.kinds")
    paths = folder.submodule_search_locations if folder else None
    return tuple(sorted(module.name for module in pkgutil.iter_modules(paths)))


def _check_source(source: SourceConfig, names: LabelSet, where: str) -> None:
    _check_keys(source, where)
    parse_networks(source.allow_networks, where)
    if source.layout == "auto" and source.kind != "folder":
        raise RecipeError(f'{where}: layout = "auto" is for kind = "folder", not {source.kind!r}')
    for word in source.layout.split("/") if source.layout not in ("", "auto") else ():
        if word not in LAYOUT_WORDS:
            raise RecipeError(
                f"{where}: layout = {source.layout!r} has {word!r}; "
                f"use {', '.join(LAYOUT_WORDS)} joined by '/', or auto for a folder"
            )
    if source.style not in ("", "clip"):
        try:
            names.parse_style(source.style)
        except ValueError:
            hint = suggest(source.style, ("clip", *names.styles))
            raise RecipeError(f"{where}: style = {source.style!r}; {hint}") from None
    options = (("styles", names.styles), ("emotions", ("", *names.emotions)), ("splits", SPLITS))
    for option, known in options:
        for name, value in getattr(source, option).items():
            if value not in known:
                hint = suggest(value, known)
                raise RecipeError(f"{where}: {option}.{name} = {value!r}; {hint}")
    for name, value in source.emotions.items():
        if not value and name in names.emotions:
            raise RecipeError(
                f'{where}: emotions.{name} = "": {name} is one of the emotions and stays one; '
                "to let CLIP decide, leave the emotions out (no emotion_from, no column emotion)"
            )


def _check_keys(source: SourceConfig, where: str) -> None:
    """Raise RecipeError for a key that would say nothing: not this kind's, or said otherwise."""
    for each in dataclasses.fields(source):
        kinds = each.metadata.get("kinds", (source.kind,))
        if getattr(source, each.name) and source.kind not in kinds:
            known = " or ".join(f'"{kind}"' for kind in kinds)
            raise RecipeError(f"{where}: {each.name} is for kind = {known}, not {source.kind!r}")
    levels, columns = source.layout.split("/"), source.columns
    said = [
        ("style", source.style not in ("", "clip"), "style_from", bool(source.style_from)),
        ("style", source.style not in ("", "clip"), "layout", "style" in levels),
        ("style", source.style not in ("", "clip"), "columns", "style" in columns),
        ("emotion_from", source.emotion_from == "name", "layout", "emotion" in levels),
    ]
    if source.kind != "folder":  # there, folder names win over the sidecar's columns
        said += [
            (f"{claim}_from", word not in ("", columns.get(claim, word)), "columns", True)
            for claim, word in (("style", source.style_from), ("emotion", source.emotion_from))
        ]
    for one, is_said, other, is_said_too in said:
        if is_said and is_said_too:
            both = f"{one} = {getattr(source, one)!r} and {other} = {getattr(source, other)!r}"
            raise RecipeError(f"{where}: {both} say two things: keep one")


def _check_votes(votes: VotesConfig, names: LabelSet, where: str) -> None:
    for word, emotion in votes.words.items():
        if emotion not in ("", *names.emotions):
            hint = suggest(emotion, names.emotions)
            raise RecipeError(f"{where}: votes.words.{word} = {emotion!r}; {hint}")
    if votes.rule in ("majority", "distribution") and votes.min_share != VotesConfig.min_share:
        raise RecipeError(
            f"{where}: votes.min_share = {votes.min_share} is not read by rule = {votes.rule!r}: "
            'write rule = "threshold" (or "dawid_skene"), or leave it out'
        )


def _check_styles(decide: DecideConfig, names: LabelSet, where: str) -> None:
    valid = [f.name for f in dataclasses.fields(Thresholds)]
    for style, thresholds in decide.style.items():
        if style not in names.styles:
            hint = suggest(style, names.styles)
            raise RecipeError(f"{where}: unknown style in [decide.style.{style}]; {hint}")
        for key in thresholds:
            if key not in valid:
                hint = suggest(key, valid)
                raise RecipeError(f"{where}: unknown key 'decide.style.{style}.{key}'; {hint}")
        try:
            TypeAdapter(Thresholds).validate_python(thresholds)
        except ValidationError as error:
            raise RecipeError(explain(error, where, ("decide", "style", style))) from None
