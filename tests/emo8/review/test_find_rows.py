"""Which row a name, path or address means."""

from __future__ import annotations

import pytest

from emo8.review.find_rows import PictureIndex, address_key

INDEX = PictureIndex(
    by_id={"a" * 64, "b" * 64, "c" * 64, "d" * 64},
    places=[
        ("a" * 64, "one/x.jpg"),
        ("b" * 64, "two/x.jpg"),
        ("c" * 64, "two/my picture (1).jpg"),
        ("d" * 64, "12345678-y.jpg"),
    ],
    addresses={address_key("http://example.org/p/caf%C3%A9.jpg?a=1&b=2"): "a" * 64},
)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("A" * 64, "a"),
        ("one/x.jpg", "a"),
        ("/somewhere/two/x.jpg", "b"),
        ("C:\\work\\two\\x.jpg", "b"),
        ("two\\x.jpg", "b"),
        ("s3://bucket/two/x.jpg", "b"),
        ("https://cdn.example.org/two/x.jpg?width=200", "b"),
        ("/data/local-files/?d=lab/one/x.jpg", "a"),
        ("/data/upload/3/1a2b3c4d-my_picture_1.jpg", "c"),
        ("my%20picture%20(1).jpg", "c"),
        ("my picture (1)", "c"),
        ("upload/1/0a0a0a0a-12345678-y.jpg", "d"),
        ("12345678-y.jpg", "d"),
        ("http://EXAMPLE.org:80/p/./café.jpg?a=1&b=2#top", "a"),
        ("http://example.org/q/../p/caf%c3%a9.jpg?a=1&b=2", "a"),
    ],
)
def test_find__by_every_name(text: str, row: str) -> None:
    assert INDEX.find(text).id == row * 64


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x.jpg", "fits 2 rows: one/x.jpg, two/x.jpg"),
        ("three/x.jpg", "fits 2 rows"),
        ("z.jpg", "no row has the id 'z.jpg'"),
        ("", "no picture"),
    ],
)
def test_find__what_is_no_row_or_not_one(text: str, problem: str) -> None:
    found = INDEX.find(text)
    assert found.id is None
    assert problem in found.problem


def test_address_key__what_may_fetch_another_picture_is_another_key() -> None:
    plain = address_key("http://example.org/a/b.jpg")
    for other in ("http://example.org/a%2Fb.jpg", "http://example.org/A/b.jpg",
                  "https://example.org/a/b.jpg", "http://example.org/a/b.jpg?"):  # fmt: skip
        assert (address_key(other) == plain) == other.endswith("?"), other
    assert address_key("b.jpg") == ""
