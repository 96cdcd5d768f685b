import pytest

from emo8.core.plain_text import cell, code, markdown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CC-BY-4.0", "CC-BY-4.0"),
        ("science_fiction", "science_fiction"),
        ("CC-BY\n\n# Heading", "CC-BY # Heading"),
        ("# Heading", r"\# Heading"),
        ("MIT | cc0 | 999 |", r"MIT \| cc0 \| 999 \|"),
        ("![x](http://h/x.png)", r"\!\[x\](http://h/x.png)"),
        ("<img src=x> & `a` *b* _c_", r"\<img src=x\> \& \`a\` \*b\* \_c\_"),
        ("- item", r"\- item"),
        ("--- ", r"\---"),
        ("12. item", r"12\. item"),
        ("1.1.0", "1.1.0"),
        ("a\u2028b\x07\u202ec", "a bc"),
        ("$x$ ~~y~~ a\\|b", r"\$x\$ \~\~y\~\~ a\\\|b"),
    ],
)
def test_markdown__shows_the_text_on_one_line(text: str, shown: str) -> None:
    assert markdown(text) == shown


def test_code__cannot_end_its_block_or_string() -> None:
    assert code('user/my_set"); import os\n```') == "user/my_set); import os "


def test_cell__no_formula() -> None:
    assert [cell(text) for text in ("=1+1", "+1", "-1", "@x", "\tx")] == [
        "'=1+1", "'+1", "'-1", "'@x", "'\tx",
    ]  # fmt: skip
    assert [cell(value) for value in ("1+1", "", None, -1)] == ["1+1", "", None, -1]
