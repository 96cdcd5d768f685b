"""Openverse: openly licensed pictures of many museums and Flickr, api.openverse.org.

Without credentials the API gives 20 pictures a page, about 20 answers a minute and 200 a day. With
OPENVERSE_CLIENT_ID and OPENVERSE_CLIENT_SECRET in the environment (free, see its documentation)
more. Its terms forbid copying the catalogue: no query goes deeper than 20 pages.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any
from urllib.parse import urlencode

from emo8.core.errors import Emo8Error
from emo8.web.search import Hit, Page
from emo8.web.search.api import Api, ApiError

ENDPOINT = "https://api.openverse.org"
ID, SECRET = "OPENVERSE_CLIENT_ID", "OPENVERSE_CLIENT_SECRET"
PAGE_SIZE, PAGE_SIZE_WITH_KEY = 20, 50
DELAY_S, DELAY_WITH_KEY_S = 3.1, 0.7  # 20 and 100 answers a minute
MAX_PAGES = 20
OPTIONS = ("endpoint", "license", "license_type", "category", "source")
_FULL = {"cc0": "CC0-1.0", "pdm": "PDM-1.0", "sampling+": "CC-Sampling+-1.0"}


class Openverse:
    """The provider `openverse`."""

    def __init__(self, api: Api, options: dict[str, str]) -> None:
        for name in options:
            if name not in OPTIONS:
                raise Emo8Error(f"openverse has no option {name!r}; it has {', '.join(OPTIONS)}")
        self.api = api
        self.endpoint = options.get("endpoint", ENDPOINT).rstrip("/")
        self.filters = {k: v for k, v in options.items() if k != "endpoint"}
        self.key = (os.environ.get(ID, ""), os.environ.get(SECRET, ""))
        self.page_size = PAGE_SIZE_WITH_KEY if all(self.key) else PAGE_SIZE
        if self.api.delay_s < 0:  # not chosen by the user
            self.api.delay_s = DELAY_WITH_KEY_S if all(self.key) else DELAY_S
        self.token, self.token_until = "", 0.0

    def page(self, query: str, number: int) -> Page:
        """One page of pictures; an answer without pictures ends a query."""
        terms = {"q": query, "page": number, "page_size": self.page_size, "mature": "false"}
        url = f"{self.endpoint}/v1/images/?{urlencode({**terms, **self.filters})}"
        try:
            answer = self.api.get(url, self._authorization())
        except ApiError as error:
            if error.status in (401, 403) and all(self.key):
                raise Emo8Error(f"Openverse refuses the credentials in {ID}: {error}") from None
            if error.status == 400 and number > 1:  # its way to say that there is no such page
                return Page()
            raise
        results = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(results, list):
            raise ApiError(f"{url} answers with something else than results")
        hits = [_hit(item) for item in results if isinstance(item, dict) and item.get("url")]
        last = min(int(answer.get("page_count") or 0), MAX_PAGES)
        return Page(hits=hits, more=number < last and bool(results))

    def _authorization(self) -> dict[str, str]:
        """The header that names our application, where there are credentials."""
        if not all(self.key):
            return {}
        if self.token_until < time.time():
            form = {"grant_type": "client_credentials", "client_id": self.key[0],
                    "client_secret": self.key[1]}  # fmt: skip
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            url = f"{self.endpoint}/v1/auth_tokens/token/"
            try:
                answer = self.api.ask("POST", url, headers, urlencode(form).encode())
            except ApiError as error:
                if error.status in (400, 401, 403):
                    raise Emo8Error(f"Openverse refuses {ID} and {SECRET}: {error}") from None
                raise
            if not isinstance(answer, dict) or "access_token" not in answer:
                raise ApiError(f"{url} gives no token: {json.dumps(answer)[:100]}")
            self.token = str(answer["access_token"])
            self.token_until = time.time() + float(answer.get("expires_in", 3600)) - 60
        return {"Authorization": f"Bearer {self.token}"}


def _hit(item: dict[str, Any]) -> Hit:
    license = _license(item.get("license"), item.get("license_version"))
    title, creator = _text(item.get("title")), _text(item.get("creator"))
    page = _text(item.get("foreign_landing_url"))
    credit = f'"{title}"' if title else "picture"
    credit += f" by {creator}" if creator else ""
    return Hit(
        url=_text(item["url"]),
        title=title,
        license=license,
        license_url=_text(item.get("license_url")),
        creator=creator,
        attribution=", ".join(part for part in (credit, license, page) if part),
        source_page=page,
        width=item.get("width"),
        height=item.get("height"),
    )


def _license(name: Any, version: Any) -> str:
    """The licence as `emo8/core/licenses.py` knows it: "by-sa", "2.0" -> "CC-BY-SA-2.0"."""
    word = _text(name).lower()
    if not word or word in _FULL:
        return _FULL.get(word, "")
    return f"CC-{word.upper()}-{_text(version) or '4.0'}"


def _text(value: Any) -> str:
    return " ".join(str(value).split()) if value is not None else ""
