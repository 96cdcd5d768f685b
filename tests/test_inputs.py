"""docs/inputs.md says what the code does."""

from docs import make_inputs
from emo8.core.formats import FORMATS
from emo8.core.reasons import REASONS


def test_page__is_what_the_code_gives() -> None:
    text = make_inputs.PAGE.read_text("utf-8")
    assert text == make_inputs.page(), "run python -m docs.make_inputs"


def test_page__has_a_line_for_every_format() -> None:
    assert set(make_inputs.NOTES) == set(FORMATS)
    assert set(make_inputs.LEAVES) <= set(REASONS)
