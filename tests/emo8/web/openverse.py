"""An Openverse-shaped server: paging, throttling, errors."""

from __future__ import annotations

import json
import zlib
from urllib.parse import parse_qs, urlsplit

from tests.emo8.web.conftest import Site

PAGES = 3


class Openverse(Site):
    """Answers like the API: pages of results per term, a limit per page, odd moments."""

    def __init__(self, pictures: str = "https://pics.example") -> None:
        super().__init__()
        self.pictures_at = pictures
        self.throttle_every = 0
        self.broken: set[str] = set()  # terms that end in 500
        self.barren: set[str] = set()  # terms without results
        self.num_asked = 0

    def page(self, path: str) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(path)
        if parts.path == "/v1/auth_tokens/token/":
            return 200, {}, json.dumps({"access_token": "secret", "expires_in": 3600}).encode()
        terms = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.num_asked += 1
        if self.throttle_every and self.num_asked % self.throttle_every == 0:
            return 429, {"Retry-After": "0"}, b"{}"
        if any(word in terms["q"] for word in self.broken):
            return 503, {"Retry-After": "7200"}, b"{}"
        page, size = int(terms["page"]), int(terms["page_size"])
        if size > 20:
            return 401, {}, b'{"detail": "page_size"}'
        if page > PAGES:
            return 400, {}, b'{"detail": "Invalid page."}'
        none = any(word in terms["q"] for word in self.barren)
        first = (page - 1) * size
        results = [] if none else [self.item(terms["q"], first + k) for k in range(size)]
        answer = {"result_count": PAGES * size, "page_count": PAGES, "page": page,
                  "page_size": size, "results": results}  # fmt: skip
        return 200, {}, json.dumps(answer).encode()

    def item(self, query: str, number: int) -> dict[str, object]:
        """One result; the second of every term is the same picture."""
        license, version = [("by", "2.0"), ("cc0", "1.0"), ("by-sa", "4.0")][number % 3]
        key = "the same for all" if number == 1 else f"{query} {number}"
        name = f"{zlib.crc32(key.encode())}"
        return {"id": name, "title": f"{query}, {number}", "url": f"{self.pictures_at}/{name}.jpg",
                "foreign_landing_url": f"{self.pictures_at}/{number}", "creator": "Ada",
                "license": license, "license_version": version, "width": 640, "height": 480,
                "license_url": "https://creativecommons.org/", "attribution": "…"}  # fmt: skip
