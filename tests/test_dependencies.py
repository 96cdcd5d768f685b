"""docs/dependencies.md names every dependency, and none of them is under a GPL."""

from importlib import metadata

import pytest

from docs import make_dependencies
from docs.make_dependencies import GROUPS, REASONS, normal, stated, wanted

NAMES = [name for packages in wanted().values() for name in packages]


def installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def test_page__names_every_dependency_with_a_reason_and_no_others() -> None:
    text = make_dependencies.PAGE.read_text("utf-8")
    assert set(NAMES) == set(REASONS) and set(wanted()) == set(GROUPS)
    for name in NAMES:
        assert f"| {name} | " in text


def test_page__is_what_the_metadata_give() -> None:
    named = make_dependencies.NOT_INSTALLED
    if missing := [name for name in NAMES if name not in named and not installed(name)]:
        pytest.skip(f"not installed here: {', '.join(missing)}")
    text = make_dependencies.PAGE.read_text("utf-8")
    assert text == make_dependencies.page(), "run python -m docs.make_dependencies"


@pytest.mark.parametrize("name", NAMES)
def test_dependency__is_pinned_and_under_no_gpl(name: str) -> None:
    if not installed(name):
        pytest.skip("not installed here")
    license, _ = stated(name)
    found = metadata.metadata(name)
    every = [license, (found.get("License") or "")[:200], *(found.get_all("Classifier") or [])]
    assert license != "not stated"
    assert not [text for text in every if "GPL" in text or "GNU " in text]
    assert normal(name) in make_dependencies.tested()


def test_stated__of_no_package_is_an_error() -> None:
    with pytest.raises(metadata.PackageNotFoundError):
        stated("no-such-package-of-ours")
