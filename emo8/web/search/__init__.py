"""From words to links: search terms by a vocabulary, and providers that answer them.

A provider is a class made with an `Api` and options (see `Provider`). Ours is `openverse`; others
are found by the entry point group `emo8.search` of any installed package.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import Protocol

from emo8.core.errors import Emo8Error
from emo8.core.suggest import suggest
from emo8.web.search.api import Api

GROUP = "emo8.search"
BUILT_IN = {"openverse": "emo8.web.search.openverse:Openverse"}


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One picture that a provider knows."""

    url: str  # of the picture itself
    title: str = ""
    license: str = ""
    license_url: str = ""
    creator: str = ""
    attribution: str = ""  # the line of credit that the licence asks for
    source_page: str = ""  # where a person can see it
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """One answer of a provider."""

    hits: list[Hit] = field(default_factory=list)
    more: bool = False  # whether a next page may hold more


class Provider(Protocol):
    """Answers search terms, page by page."""

    def page(self, query: str, number: int) -> Page:
        """Page `number` (from 1) of the pictures for a term."""


def make_provider(name: str, api: Api, options: dict[str, str]) -> Provider:
    """The provider called `name`; Emo8Error for an unknown one or options it does not take."""
    known = {**{point.name: point.value for point in entry_points(group=GROUP)}, **BUILT_IN}
    if name not in known:
        raise Emo8Error(f"unknown provider {name!r}; {suggest(name, sorted(known))}")
    module, _, attribute = known[name].partition(":")
    provider: Provider = getattr(import_module(module), attribute)(api, options)
    return provider
