"""The strict reader of a recipe: TOML in, the dataclasses of `emo8/core/settings.py` out.

A key that is not a field there is an error that names the nearest valid one.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from emo8.core.errors import RecipeError
from emo8.core.networks import parse_networks
from emo8.core.settings import (
    CLAIMANTS,
    LAYOUT_WORDS,
    PRECISIONS,
    SOURCE_KINDS,
    VOTE_COUNTS,
    VOTE_RULES,
    DecideConfig,
    FetchConfig,
    IngestConfig,
    LabelsConfig,
    LeaksConfig,
    PeopleConfig,
    PublishConfig,
    Recipe,
    SourceConfig,
    SplitsConfig,
    Thresholds,
    VotesConfig,
)
from emo8.core.taxonomy import EMOTIONS, STYLES

_SECTIONS: dict[str, Any] = {
    "source": SourceConfig,
    "ingest": IngestConfig,
    "fetch": FetchConfig,
    "labels": LabelsConfig,
    "votes": VotesConfig,
    "people": PeopleConfig,
    "decide": DecideConfig,
    "leaks": LeaksConfig,
    "splits": SplitsConfig,
    "publish": PublishConfig,
}
IMAGE_POLICIES = ("bytes", "url")


def load_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file; RecipeError says the value, the file and the fix."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"no recipe at {path}: give the path of a TOML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read the recipe {path}: {error}") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not valid TOML: {error}") from None
    return parse_recipe(data, where=str(path), default_name=path.stem)


def parse_recipe(data: dict[str, Any], *, where: str, default_name: str = "emo8") -> Recipe:
    """The recipe in a dictionary of TOML values, checked; RecipeError otherwise."""
    if not data.get("source"):
        raise RecipeError(f"{where} names no [[source]]: add one with `kind` and `path`")
    try:
        recipe = TypeAdapter(Recipe).validate_python(data)
    except ValidationError as error:
        raise RecipeError(_explain(error, where)) from None
    recipe = dataclasses.replace(recipe, name=recipe.name or default_name)
    _check(recipe, where)
    return _with_source_names(recipe)


def _explain(error: ValidationError, where: str) -> str:
    """One line per mistake: the key, where it stands, and what to write instead."""
    lines = []
    for item in error.errors():
        keys = [str(part) for part in item["loc"]]
        dotted = ".".join(keys)
        kind = item["type"]
        if kind in ("unexpected_keyword_argument", "extra_forbidden"):
            lines.append(f"{where}: unknown key {dotted!r}{_nearest(keys)}")
        elif kind == "missing":
            lines.append(f"{where}: {dotted!r} is required and missing")
        else:
            lines.append(f"{where}: {dotted} = {item['input']!r}: {item['msg']}")
    return "\n".join(lines)


def _nearest(keys: list[str]) -> str:
    section = _SECTIONS.get(keys[0], Recipe) if len(keys) > 1 else Recipe
    valid = [f.name for f in dataclasses.fields(section)]
    near = get_close_matches(keys[-1], valid, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; valid keys: {', '.join(valid)}"


def _check(recipe: Recipe, where: str) -> None:
    """Raise RecipeError for values that have the right type and make no sense."""
    for number, source in enumerate(recipe.source):
        if source.kind not in SOURCE_KINDS:
            near = get_close_matches(source.kind, SOURCE_KINDS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise RecipeError(
                f"{where}: source {number} has kind = {source.kind!r}{hint} "
                f"Known kinds: {', '.join(SOURCE_KINDS)}."
            )
        if source.kind != "hub" and "://" in source.path:
            raise RecipeError(
                f"{where}: source {number} has path = {source.path!r}: a path on a file system is "
                "needed, no address; mount the bucket, or download it first (docs/cluster.md)"
            )
        _check_source(source, f"{where}: source {number}")
    shares = recipe.splits
    total = shares.train + shares.val + shares.test
    if abs(total - 1) > 1e-6 or min(shares.train, shares.val, shares.test) < 0:
        raise RecipeError(f"{where}: [splits] must be shares that add up to 1, not {total:g}")
    if not 0 <= recipe.decide.max_near_distance <= 3:
        distance = recipe.decide.max_near_distance
        raise RecipeError(f"{where}: decide.max_near_distance = {distance}: use 0 to 3 bits")
    if not recipe.labels.clip:
        raise RecipeError(f'{where}: labels.clip is empty: name a model, e.g. ["embedded"]')
    _check_labels(recipe, where)
    _check_fetch(recipe.fetch, where)
    if not 1 <= recipe.ingest.part_rows <= 100_000:
        raise RecipeError(f"{where}: ingest.part_rows = {recipe.ingest.part_rows}: use 1 to 100000")
    if not re.fullmatch(r"[\w.-]+", recipe.name):
        raise RecipeError(f"{where}: name = {recipe.name!r}: use letters, digits, '.', '_', '-'")
    _check_styles(recipe.decide, where)
    for license, policy in recipe.publish.image_policy.items():
        if policy not in IMAGE_POLICIES:
            raise RecipeError(
                f"{where}: publish.image_policy[{license!r}] = {policy!r}: "
                f"use {', '.join(IMAGE_POLICIES)}"
            )


def _check_labels(recipe: Recipe, where: str) -> None:
    """Raise RecipeError for rules nobody knows and shares outside 0 to 1."""
    if not recipe.labels.rule:
        raise RecipeError(f"{where}: labels.rule is empty: name some of {', '.join(CLAIMANTS)}")
    for name in recipe.labels.rule:
        _check_known(name, CLAIMANTS, f"{where}: labels.rule")
    _check_known(recipe.labels.precision, PRECISIONS, f"{where}: labels.precision")
    for name in recipe.labels.style_rule:
        _check_known(name, CLAIMANTS, f"{where}: labels.style_rule")
    if recipe.labels.style_rule[-1:] != ("clip",):
        raise RecipeError(
            f'{where}: labels.style_rule = {list(recipe.labels.style_rule)}: end it with "clip", '
            "because every row needs a style"
        )
    _check_known(recipe.votes.rule, VOTE_RULES, f"{where}: votes.rule")
    _check_known(recipe.votes.ticks, VOTE_COUNTS, f"{where}: votes.ticks")
    for word, emotion in recipe.votes.words.items():
        _check_known(emotion, ("", *EMOTIONS), f"{where}: votes.words.{word}")
    shares = {
        "labels.max_risk": recipe.labels.max_risk,
        "labels.min_attribute_prob": recipe.labels.min_attribute_prob,
        "votes.min_share": recipe.votes.min_share,
        "votes.max_reject_share": recipe.votes.max_reject_share,
        "people.min_score": recipe.people.min_score,
    }
    for key, share in shares.items():
        if not 0 <= share <= 1:
            raise RecipeError(f"{where}: {key} = {share}: use 0 to 1")
    counts = {
        "labels.calibration_min_rows": recipe.labels.calibration_min_rows,
        "votes.min_votes": recipe.votes.min_votes,
        "people.max_people": recipe.people.max_people,
    }
    for key, count in counts.items():
        if count < 1:
            raise RecipeError(f"{where}: {key} = {count}: use 1 or more")


def _check_fetch(fetch: FetchConfig, where: str) -> None:
    """Raise RecipeError for limits that nothing could pass, and names that no header can hold."""
    for key in ("timeout_s", "total_timeout_s", "host_connections", "give_up_after", "threads"):
        if getattr(fetch, key) <= 0:
            raise RecipeError(f"{where}: fetch.{key} = {getattr(fetch, key)}: use more than 0")
    for key in ("max_redirects", "retries", "host_delay_s", "max_rest_s"):
        if getattr(fetch, key) < 0:
            raise RecipeError(f"{where}: fetch.{key} = {getattr(fetch, key)}: use 0 or more")
    if fetch.user_agent and not re.fullmatch(
        r"[A-Za-z][A-Za-z0-9_-]*[\x20-\x7e]*", fetch.user_agent
    ):
        raise RecipeError(
            f"{where}: fetch.user_agent = {fetch.user_agent!r}: begin with the name that "
            'robots.txt may use, for example "mylab-crawler/1.0 (+https://example.org/crawler)"'
        )


def _check_known(name: str, known: tuple[str, ...], what: str) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise RecipeError(f"{what} holds {name!r}{hint} Known: {', '.join(known)}.")


def _check_source(source: SourceConfig, where: str) -> None:
    parse_networks(source.allow_networks, where)
    if source.allow_networks and source.kind != "urls":
        raise RecipeError(f'{where}: allow_networks is for kind = "urls", not {source.kind!r}')
    if source.layout == "auto" and source.kind != "folder":
        raise RecipeError(f'{where}: layout = "auto" is for kind = "folder", not {source.kind!r}')
    for word in source.layout.split("/") if source.layout not in ("", "auto") else ():
        if word not in LAYOUT_WORDS:
            raise RecipeError(
                f"{where}: layout = {source.layout!r} has {word!r}; "
                f"use {', '.join(LAYOUT_WORDS)} joined by '/', or auto for a folder"
            )
    for option, known in (("styles", STYLES), ("emotions", ("", *EMOTIONS))):
        for name, value in getattr(source, option).items():
            if value not in known:
                near = get_close_matches(value, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; use {', '.join(known)}"
                raise RecipeError(f"{where}: {option}.{name} = {value!r}{hint}")


def _check_styles(decide: DecideConfig, where: str) -> None:
    valid = [f.name for f in dataclasses.fields(Thresholds)]
    for style, thresholds in decide.style.items():
        if style not in STYLES:
            near = get_close_matches(style, STYLES, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; styles: {', '.join(STYLES)}"
            raise RecipeError(f"{where}: unknown style in [decide.style.{style}]{hint}")
        for key in thresholds:
            if key not in valid:
                near = get_close_matches(key, valid, n=1, cutoff=0.5)
                hint = f"; did you mean {near[0]!r}?" if near else f"; valid: {', '.join(valid)}"
                raise RecipeError(f"{where}: unknown key 'decide.style.{style}.{key}'{hint}")


def _with_source_names(recipe: Recipe) -> Recipe:
    """The recipe with a distinct name for every source."""
    seen: dict[str, int] = {}
    named = []
    for source in recipe.source:
        path = source.path.split("@")[0] if source.kind == "hub" else source.path.split("*")[0]
        name = source.name or Path(path.rstrip("/")).name or source.kind
        seen[name] = seen.get(name, 0) + 1
        name = name if seen[name] == 1 else f"{name}-{seen[name]}"
        named.append(dataclasses.replace(source, name=name))
    return dataclasses.replace(recipe, source=tuple(named))
