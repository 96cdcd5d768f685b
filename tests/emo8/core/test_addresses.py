import pytest

from emo8.core.addresses import comparable, plain_host, quick_host


@pytest.mark.parametrize(
    "other",
    [
        "http://example.org/a%20b/caf%C3%A9.jpg?x=1&y=2",
        "HTTPS://WWW.Example.org:443/a b/café.jpg?y=2&x=1#top",
        "https://example.org./a%20b/./c/../caf%c3%a9.jpg?x=1&y=2",
        "https://example.org//a%20b/cafe\u0301.jpg/?x=1&y=2",
        "https://me:secret@example.org/a%20b/caf%C3%A9.jpg?x=1&y=2",
    ],
)
def test_comparable__spellings_of_one_address(other: str) -> None:
    assert comparable(other) == "example.org/a b/café.jpg?x=1&y=2"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.org/a.jpg", "https://example.org/b.jpg"),
        ("https://example.org/a.jpg", "https://example.com/a.jpg"),
        ("https://example.org/a.jpg?size=1", "https://example.org/a.jpg?size=2"),
        ("https://example.org:8080/a.jpg", "https://example.org/a.jpg"),
    ],
)
def test_comparable__different_addresses_stay_different(one: str, other: str) -> None:
    assert comparable(one) != comparable(other)


def test_comparable__what_is_no_address_is_compared_as_it_is() -> None:
    assert comparable("http://[bad/x") == "http://[bad/x"
    assert comparable("http://host:port/x") == "http://host:port/x"


def test_quick_host__is_the_plain_host_or_nothing() -> None:
    assert quick_host("https://WWW.Example.org:81/x") == "example.org"
    assert quick_host("https://bücher.example/x") is None
    assert quick_host("https://me@example.org/x") is None
    assert plain_host("Bücher.Example.") == "xn--bcher-kva.example"
