"""`emo8 verify`: what holds, what does not, and proofs, of a folder and of the Hub."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emo8.cli import main
from emo8.dataset.shards import sha256
from emo8.publish import verify
from emo8.publish.send import to_hub
from tests.conftest import encoded, picture
from tests.hub_server import Hub

Row = dict[str, Any]
SHARD = "data/natural/train-00000.parquet"


def resign(folder: Path) -> None:
    """Bring the manifest into agreement with the files, as a careless or hostile publisher may."""
    notes = json.loads((folder / "release.json").read_text())
    for name, entry in notes["files"].items():
        entry.update(sha256=sha256(folder / name), bytes=(folder / name).stat().st_size)
    (folder / "release.json").write_text(json.dumps(notes))


def test_verify__release_holds(released: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(released)]) == 0
    said = capsys.readouterr().out
    assert "32 rows, 32 pictures" in said and "everything holds" in said
    root = verify.verify(released).root
    assert root in (released / "README.md").read_text()
    assert root == json.loads((released / "release.json").read_text())["root"]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda rows: rows[0].update(caption="another"), "another root"),
        (lambda rows: rows[0]["image"].update(bytes=encoded(picture(7))), "has another hash"),
        (lambda rows: rows[0].update(width=1), "another size"),
        (lambda rows: rows.append(rows[0]), "is there twice"),
        (lambda rows: rows[0].update(license="MIT"), "licence mit of rows is not in the card"),
        (lambda rows: rows.pop(), "the card counts"),
    ],
)
def test_verify__row_that_was_changed_with_the_manifest(
    spoiled: Path,
    rewrite: Callable[[Path, Callable[[list[Row]], None]], None],
    edit: Callable[[list[Row]], None],
    words: str,
) -> None:
    rewrite(spoiled / SHARD, edit)
    resign(spoiled)
    assert any(words in problem for problem in verify.verify(spoiled).problems)


def test_verify__cluster_in_two_splits(spoiled: Path, rewrite: Callable[..., None]) -> None:
    keep: list[str] = []
    rewrite(spoiled / SHARD, lambda rows: keep.append(rows[0]["cluster"]))
    other = next(spoiled.glob("data/*/test-*.parquet"))
    rewrite(other, lambda rows: rows[0].update(cluster=keep[0]))
    resign(spoiled)
    assert any("more than one split" in problem for problem in verify.verify(spoiled).problems)


def test_verify__files_against_the_manifest(spoiled: Path) -> None:
    (spoiled / "CHANGELOG.md").write_text("x")
    (spoiled / "more.txt").write_text("x")
    (spoiled / "croissant.json").unlink()
    assert verify.verify(spoiled).problems[:3] == [
        "croissant.json is missing",
        "more.txt is not in release.json",
        "CHANGELOG.md has another hash than release.json says",
    ]


def test_verify__damaged_and_foreign(
    spoiled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (spoiled / SHARD).write_bytes(b"PAR1 no parquet")
    assert main(["verify", str(spoiled)]) == 1
    assert f"{SHARD} cannot be read" in capsys.readouterr().out
    assert main(["verify", str(tmp_path)]) == 2
    assert main(["verify", "neither/here/nor"]) == 2


def test_verify__a_folder_for_the_root_that_is_meant(
    released: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = verify.verify(released).root
    assert main(["verify", str(released), "--root", root.upper()]) == 0
    assert main(["verify", str(released), "--root", "0" * 64]) == 1
    assert "is that of another version" in capsys.readouterr().out


def test_verify__proofs_of_presence_and_of_absence_after_removal(
    small: Path, released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("EMO8_REMOVALS", str(tmp_path / "removals.jsonl"))
    own = Path(shutil.copytree(small, tmp_path / "own"))
    proof = tmp_path / "proof.json"
    key = next(iter(verify.prove(released, "0" * 64)["leaves"]))["id"]
    capsys.readouterr()

    def proven(folder: Path) -> str:
        assert main(["verify", str(folder), "--prove", key]) == 0
        proof.write_text(capsys.readouterr().out)
        root = verify.verify(folder).root
        assert main(["verify", str(proof), "--root", root]) == 0
        assert main(["verify", str(proof), "--root", "0" * 64]) == 1
        return capsys.readouterr().out

    assert f"{key} is in the version" in proven(released)
    build = str(own / "BUILD")
    assert main(["remove", key, "--reason", "asked", "--from", build]) == 0
    assert main(["build", str(own / "recipe.toml"), "-o", build, "--workers", "1"]) == 0
    assert main(["publish", build, "--to", str(own / "P")]) == 0
    capsys.readouterr()
    assert f"{key} is not in the version" in proven(own / "P")
    proof.write_text("{}")
    assert main(["verify", str(proof)]) == 2


def test_verify__hub_downloaded_and_streamed(
    small: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = to_hub(small / "BUILD", "user/small")
    name = f"user/small@{outcome.tag}"
    assert main(["verify", name]) == 0
    assert main(["verify", name, "--stream"]) == 0
    said = capsys.readouterr().out
    assert said.count("32 rows, 32 pictures") == 2


def test_verify__pictures_of_any_size_that_a_build_may_have(
    released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "DEFAULT_MAX_PIXELS", 10)  # all of them are larger
    assert not verify.verify(released).problems
    monkeypatch.setattr(verify, "_MOST_PIXELS", 10)  # a row's word alone takes no memory
    assert "too_many_pixels" in verify.verify(released).problems[0]
