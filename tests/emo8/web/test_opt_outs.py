"""Opt-outs as sites really write them."""

from __future__ import annotations

import http.client
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emo8.web.consent import Consent, SiteFiles, site_file_text
from emo8.web.opt_outs import reserved, robots, robots_tag, text_of
from emo8.web.outcome import FetchFailed

RULES = "User-agent: *\nDisallow: /private/\n"
RESERVED = '[{"location": "/tdm/", "tdm-reservation": 1}]'
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text__a_byte_order_mark_is_no_part_of_it(encoding: str) -> None:
    assert text_of(RULES.encode(encoding)) == RULES
    big = b"\xfe\xff" + RULES.encode("utf-16-be")
    assert text_of(big) == RULES


def test_text__other_bytes_are_percent_encoded_as_in_addresses() -> None:
    text = text_of("User-agent: *\nDisallow: /caf\xe9/\n".encode("latin-1"))
    assert text is not None
    assert not robots(text).can_fetch("http://a/caf%E9/x.jpg", "emo8")


@pytest.mark.parametrize("data", [b"\x1f\x8b\x08\0\0", b"\xff\xfeab\0", b"\x89PNG\r\n\x1a\n\0\0"])
def test_site_file__that_is_no_text_counts_as_no(data: bytes) -> None:
    with pytest.raises(FetchFailed) as lost:
        site_file_text(200, data, cut=False, what="robots.txt")
    assert (lost.value.reason, lost.value.cause) == ("opt_out", "robots.txt is no text")
    assert site_file_text(404, data, cut=False, what="robots.txt") is None


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("User-agent: emo8/1.0\nDisallow: /", False),
        ("User-Agent: other/2 (x)\nDisallow: /", True),
        ("User-agent: other\nUser-agent: EMO8\nDisallow: /", False),
        ("User-agent: *\nDisallow: /\n\nUser-agent: emo8\nAllow: /", True),
        ("User-agent: emo8\rDisallow: /\r", False),
        ("<html><body>not here</body></html>", True),
    ],
)
def test_robots__groups_of_user_agents(text: str, allowed: bool) -> None:
    assert robots(text).can_fetch("http://a/x.jpg", "emo8") is allowed


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("unavailable_after: Wed, 25 Jun 2036 15:00:00 GMT, noai", ["unavailable_after", "noai"]),
        ("noai, unavailable_after: Wednesday, 25-Jun-36 15:00:00 GMT",
         ["noai", "unavailable_after"]),
        ("unavailable_after: 2036-06-25T15:00:00Z, noai", ["unavailable_after", "noai"]),
        ("unavailable_after: Jun 25, 2036 15:00:00, noai", ["unavailable_after", "noai"]),
        ("unavailable_after: Wed, 25 Jun 2025 15:00:00 GMT", ["noindex"]),  # has passed
        ("unavailable_after: some day", ["noindex"]),  # nobody knows when
        ("googlebot: unavailable_after: Wed, 25 Jun 2036 15:00:00 GMT, noai", []),
        ("emo8: unavailable_after: 25 Jun 2025 15:00:00 GMT", ["noindex"]),
        ("googlebot: nofollow, emo8: noai", ["noai"]),
        ("otherbot/2.1: noai", []),
        ("Emo8/0.9: noai", ["noai"]),
        ("*: noai", ["noai"]),
        ("max-snippet: 20, noai", ["max-snippet", "noai"]),
        ("noindex;noai", ["noindex", "noai"]),
        ("noindex noai", ["noindex", "noai"]),
        ('"noai"', ["noai"]),
        ("  ", []),
    ],
)  # fmt: skip
def test_robots_tag__as_sites_write_it(value: str, words: list[str]) -> None:
    assert list(robots_tag(value, ("emo8", "img2dataset"), NOW)) == words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RESERVED, True),
        ('{"location": "/tdm/", "tdm-reservation": 1}', True),  # one rule without its list
        ('[{"location": "tdm/", "tdm-reservation": "1"}]', True),
        ('[{"location": "https://a.example/tdm/", "tdm-reservation": true}]', True),
        ('[{"location": "/t%64m/", "tdm-reservation": 1}]', True),
        ('[{"tdm-reservation": 1}]', True),
        ('[{"location": "/tdm/", "tdm-reservation": "yes"}]', True),
        ('[{"location": "/tdm/", "tdm-reservation": 1}', True),  # damaged
        ('[{"location": "/tdm/", "tdm-reservation": 0}]', False),
        ('[{"location": "/other/", "tdm-reservation": 1}]', False),
        ("\n<!doctype html>", False),
        ('{"error": "not found"}', False),
        ("", False),
    ],
)
def test_reserved__what_cannot_be_read_counts_as_no(text: str, expected: bool) -> None:
    assert reserved(text, "/tdm/a.jpg") is expected


@pytest.mark.parametrize(
    ("head", "cause"),
    [
        (b"X-Robots-Tag: otherbot: noai\r\nX-Robots-Tag: noai\r\n\r\n", "x-robots-tag noai"),
        (b"X-Robots-Tag: all\r\nx-robots-tag: emo8: none\r\n\r\n", "x-robots-tag noindex"),
        (b"TDM-Reservation: 0\r\nTDM-Reservation: 1\r\n\r\n", "tdm-reservation"),
        (b"TDM-Reservation: yes\r\n\r\n", "tdm-reservation"),
        (b"TDM-Reservation: 0\r\nX-Robots-Tag: otherbot: noai\r\n\r\n", None),
    ],
)
def test_consent__several_headers(tmp_path: Path, head: bytes, cause: str | None) -> None:
    consent = Consent(
        SiteFiles(tmp_path, lambda url: None), user_agent="emo8/1", robots_txt=True,
        x_robots_tag=True, directives=("noai", "noindex"), tdm_reservation=True,
    )  # fmt: skip
    headers = http.client.parse_headers(io.BytesIO(head))
    if cause is None:
        consent.after(headers)
        return
    with pytest.raises(FetchFailed) as lost:
        consent.after(headers)
    assert (lost.value.reason, lost.value.cause) == ("opt_out", cause)
