"""Search terms, and links to pictures for them."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from emo8.cli import main
from emo8.core.errors import Emo8Error, RecipeError
from emo8.core.licenses import hub_id
from emo8.core.settings import SourceConfig
from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.sources.kinds import urls
from emo8.web.search import make_provider
from emo8.web.search.api import Api
from emo8.web.search.queries import (
    CELLS,
    DEFAULT_PATH,
    by_cell,
    load_vocabulary,
    make_queries,
    read_queries,
)
from tests.emo8.web.conftest import Site
from tests.emo8.web.openverse import Openverse


def search(site: Site, out: Path, *options: str) -> int:
    return main(["search", "openverse", "-o", str(out), "--endpoint", site.base, "--delay-s", "0",
                 "--allow-network", "127.0.0.0/8", *options])  # fmt: skip


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# --- terms -----------------------------------------------------------------------------------


def test_vocabulary__every_emotion_has_words_in_every_language_and_a_source() -> None:
    vocabulary = load_vocabulary()
    assert set(vocabulary.templates) == {"en", "de", "es"}
    assert set(vocabulary.emotions) == set(EMOTIONS) and set(vocabulary.styles) == set(STYLES)
    for table in (vocabulary.emotions, vocabulary.styles):
        assert all(len(words) >= 2 for by in table.values() for words in by.values())
        assert all(set(by) == set(vocabulary.templates) for by in table.values())
    assert all("(" in source for source in vocabulary.sources.values())


def test_queries__are_balanced_and_distinct(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "queries.csv"
    assert main(["search", "queries", "-o", str(out), "--per-cell", "9"]) == 0
    assert "40 of 40 cells" in capsys.readouterr().out
    terms = read_queries(out)
    assert Counter(query.cell for query in terms) == dict.fromkeys(CELLS, 9)
    cell = [query.query for query in terms if query.cell == ("anger", "cartoon")]
    assert cell[:3] == ["anger cartoon", "Wut Cartoon", "ira caricatura"]
    assert len(set(cell)) == 9
    assert terms == make_queries(load_vocabulary(), per_cell=9)
    all_english = make_queries(load_vocabulary(), languages=["en"])
    assert len({(query.query, query.cell) for query in all_english}) == len(all_english) > 8000


def test_queries__own_vocabulary_with_gaps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[languages.fr]\ntemplate = "{style} {emotion}"\n[emotions.fear]\nfr = ["peur"]\n'
        '[styles.cartoon]\nfr = ["dessin"]\n'
    )
    out = tmp_path / "q.csv"
    assert main(["search", "queries", "--vocabulary", str(own), "-o", str(out)]) == 0
    assert "1 of 40 cells" in capsys.readouterr().out
    assert [query.query for query in read_queries(out)] == ["dessin peur"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[emotions.anger]", "[emotions.angr]"), "'anger'"),
        (("de = [\"Wut\"", "pl = [\"Wut\""), r"languages\.pl"),
        (("template = \"{keyword} {emotion} {style}\"", "template = \"{feeling}\""), "feeling"),
        (("keywords = [\"\", \"face\"", "keywords = [1, \"face\""), "list of words"),
    ],
)  # fmt: skip
def test_vocabulary__mistakes_are_named(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    own = tmp_path / "own.toml"
    text = DEFAULT_PATH.read_text()
    assert change[0] in text
    own.write_text(text.replace(*change))
    with pytest.raises(RecipeError, match=message):
        load_vocabulary(own)


def test_queries__unknown_language_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "queries", "--language", "tlh"]) == 2
    assert "tlh" in capsys.readouterr().err


# --- links -----------------------------------------------------------------------------------


def test_search__is_balanced_with_licence_author_and_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site, out = Openverse(), tmp_path / "urls.csv"
    site.barren = {"disgust", "revolting", "rotten", "mold", "garbage", "cockroach", "maggots",
                   "filthy"}  # fmt: skip
    site.throttle_every = 7
    options = ("--per-cell", "9", "--per-query", "5", "--max-requests", "2000")
    assert search(site, out, *options) == 0
    found = lines(out)
    counts = Counter((line["query_emotion"], line["style"]) for line in found)
    assert counts == {cell: 9 for cell in CELLS if cell[0] != "disgust"}
    assert len({line["url"] for line in found}) == len(found)
    assert max(Counter(line["query"] for line in found).values()) <= 5
    assert {line["license"] for line in found} == {"CC-BY-2.0", "CC0-1.0", "CC-BY-SA-4.0"}
    assert all(hub_id(line["license"]) != "other" for line in found)
    assert all(line["creator"] == "Ada" and line["source_page"] for line in found)
    assert '"' in found[0]["attribution"] and "by Ada, CC-BY-2.0" in found[0]["attribution"]
    report = capsys.readouterr().out
    assert "5 of 40 cells are empty: disgust x cartoon" in report
    cells = lines(tmp_path / "urls.cells.csv")
    assert cells[0]["emotion"] == "amusement" and cells[0]["cartoon"] == "9"

    # the list is a source as it stands
    source = SourceConfig(kind="urls", path="urls.csv", name="found", columns={"caption": "title"})
    chunks = list(urls.plan(source, tmp_path, 256))
    assert sum(chunk.num_inputs for chunk in chunks) == len(found)
    line = urls.lines(chunks[0])[0]
    assert line.claims.license == "CC-BY-2.0" and line.claims.caption and line.claims.style
    assert line.claims.emotion is None


def test_search__goes_on_after_a_limit_without_asking_twice(tmp_path: Path) -> None:
    site, out = Openverse(), tmp_path / "urls.csv"
    assert search(site, out, "--per-cell", "20", "--max-requests", "50") == 1
    first = lines(out)
    assert len({(line["query_emotion"], line["style"]) for line in first}) == 40
    assert search(site, out, "--per-cell", "20", "--max-requests", "500") == 0
    assert max(site.asked.values()) == 1
    assert len(lines(out)) == 800


def test_search__an_outage_ends_it_with_what_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site, out = Openverse(), tmp_path / "urls.csv"
    site.broken = {"sadness"}
    assert search(site, out, "--per-cell", "10") == 1
    assert "7200" in capsys.readouterr().err
    assert len(lines(out)) == 350
    site.broken = set()
    assert search(site, out, "--per-cell", "10") == 0
    assert len(lines(out)) == 400


def test_search__private_networks_are_closed_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site, out = Openverse(), tmp_path / "urls.csv"
    arguments = ["search", "openverse", "-o", str(out), "--endpoint", site.base, "--delay-s", "0"]
    assert main(arguments) == 1
    assert "closed network" in capsys.readouterr().err and not site.asked


def test_search__credentials_are_used_when_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENVERSE_CLIENT_ID", "me")
    monkeypatch.setenv("OPENVERSE_CLIENT_SECRET", "hush")
    site = Openverse()
    assert search(site, tmp_path / "urls.csv") == 2  # this server takes no large pages
    assert site.asked["POST /v1/auth_tokens/token/"] == 1
    assert "OPENVERSE_CLIENT_ID" in capsys.readouterr().err


def test_provider__unknown_names_and_options_are_errors(tmp_path: Path) -> None:
    api = Api(folder=tmp_path, delay_s=0)
    with pytest.raises(Emo8Error, match="openverse"):
        make_provider("openvers", api, {})
    with pytest.raises(Emo8Error, match="licence"):
        make_provider("openverse", api, {"licence": "by"})


def test_read_queries__names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("query,emotion,style\nangry cat,anger,cartoon\nsad dog,sad,cartoon\n")
    with pytest.raises(Emo8Error, match="line 3"):
        read_queries(path)
    assert by_cell(make_queries(load_vocabulary(), per_cell=1))["awe", "natural"]
