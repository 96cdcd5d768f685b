"""Words, scales and times."""

from __future__ import annotations

import pytest

from emo8.review.times import Times
from emo8.review.words import Words, number_of, parse_scale, parse_scales


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("1-9", 1, 9), ("0 to 1", 0, 1), ("-1 to 1", -1, 1), ("-1..1", -1, 1), ("-4-4", -4, 4)],
)
def test_scale__however_it_is_written(text: str, low: float, high: float) -> None:
    scale = parse_scale(text)
    assert (scale.low, scale.high) == (low, high)
    assert parse_scale(str(scale)) == scale
    assert scale.unit("valence", f"{(low + high) / 2}") == 0.5


@pytest.mark.parametrize("text", ["9", "9-1", "one to nine", "1-1"])
def test_scale__what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_scale(text)


def test_scales__one_for_all_or_each_its_own() -> None:
    assert set(parse_scales("1-9")) == {""}
    assert {k: str(v) for k, v in parse_scales("valence=-1 to 1, arousal=1-9").items()} == {
        "valence": "-1 to 1", "arousal": "1-9",
    }  # fmt: skip


def test_numbers__with_a_comma_and_a_true_minus() -> None:
    assert [number_of(text) for text in ("1,5", "-2", "\u22120.5", "x", "")] == [
        1.5, -2, -0.5, None, None,
    ]  # fmt: skip


def test_words__a_mapped_word_may_hold_a_comma() -> None:
    words = Words({"calm, at peace": "contentment"})
    assert words.split("calm, at peace") == ["calm, at peace"]
    assert words.meaning("Calm, at peace").emotion == "contentment"
    assert words.split("awe, fear") == ["awe", "fear"]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31 12:00:00"),
        ("2026-01-31T12:00:00.123+02:00", "2026-01-31 10:00:00"),
        ("Thu Nov 12 10:00:00 PST 2026", "2026-11-12 18:00:00"),
        ("Thu Nov 12 10:00:00 PDT 2026", "2026-11-12 17:00:00"),
        ("12 Nov 2026 10:00 CET", "2026-11-12 09:00:00"),
        ("46053.5", "2026-01-31 12:00:00"),
        ("1769860800", "2026-01-31 12:00:00"),
        ("1769860800000", "2026-01-31 12:00:00"),
    ],
)
def test_times__as_tools_write_them(text: str, utc: str) -> None:
    assert str(Times.of([text]).read(text)) == f"{utc}+00:00"


@pytest.mark.parametrize(
    ("texts", "date"),
    [
        (["3/4/2026", "1/31/2026"], "2026-03-04"),
        (["3/4/2026", "31/1/2026"], "2026-04-03"),
        (["3.4.2026"], "2026-04-03"),
        (["3/4/2026"], "2026-03-04"),
    ],
)
def test_times__the_column_says_whether_the_day_comes_first(texts: list[str], date: str) -> None:
    times = Times.of(texts)
    assert str(times.read(texts[0]).date()) == date
    assert times.guessed == (texts == ["3/4/2026"])


@pytest.mark.parametrize("text", ["soon", "Thu Nov 12 10:00:00 QQT 2026", "7"])
def test_times__what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write 2026-01-31T12:00:00Z"):
        Times.of([text]).read(text)
