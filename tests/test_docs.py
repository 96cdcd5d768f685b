"""README and docs: every command is one that exists, every recipe is one that is read."""

import argparse
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from emo8 import cli as emo8_cli
from emo8.core.read_recipe import parse_recipe
from pretrain import cli as uniemox_cli
from tests.readme_proof import blocks, commands

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = ("emo8", "uniemox", "emo8-bench")


def lines(page: Path) -> list[str]:
    """The commands of ours on a page, continuation lines joined."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    found = [c for language, block in blocks(text) if language == "bash" for c in commands(block)]
    words = [command.removeprefix("torchrun") for command in found]
    return [command for command in words if command.split()[0] in PROGRAMS]


ALL = [(page.name, line) for page in PAGES for line in lines(page)]


def parser_of(program: str) -> argparse.ArgumentParser:
    if program == "emo8":
        return emo8_cli.build_parser()
    if program == "uniemox":
        return uniemox_cli.build_parser()
    from benchmarks import cli as bench_cli

    return bench_cli.build_parser()


@pytest.mark.parametrize(("page", "line"), ALL, ids=[f"{p}: {line}" for p, line in ALL])
def test_command__is_understood(page: str, line: str) -> None:
    line = line.split(" # ")[0].split("; ")[0]
    program, *words = shlex.split(re.sub(r"[\[\]]", "", line))
    try:
        _, rest = parser_of(program).parse_known_args(words)
    except SystemExit as exit:
        assert exit.code in (0, None), line
        return
    assert not rest or (program == "uniemox" and rest[0].startswith("--") and "." in rest[0]), rest


def test_commands__there_are_many() -> None:
    assert len(ALL) > 40 and {page for page, _ in ALL} >= {"README.md", "tutorials.md", "browse.md"}


RECIPES = [
    (page.name, block)
    for page in PAGES
    for language, block in blocks(page.read_text("utf-8"))
    if language == "toml" and "[[source]]" in block
]


@pytest.mark.parametrize(("page", "block"), RECIPES, ids=[page for page, _ in RECIPES])
def test_recipe__is_read(page: str, block: str) -> None:
    assert parse_recipe(tomllib.loads(block), where=page).source


LINKS = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links__lead_somewhere(page: Path) -> None:
    for target in LINKS.findall(page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_readme__holds(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.readme_proof", "--at", str(tmp_path / "at"), "--here"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


FILES = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
).stdout.splitlines()
OURS = "emo8|pretrain|benchmarks|cards|docs"
NAMED = re.compile(rf"`((?:{OURS})/[\w./-]*\w\.(?:py|toml|md|json|csv))`")
MODULE = re.compile(rf"-m ((?:{OURS})(?:\.\w+)+)")
BARE = re.compile(r"`(\w+\.py)`")
OUTSIDE = {"main_finetune.py"}  # of MAE's public code


@pytest.mark.skipif(not FILES, reason="not in a checkout")
def test_texts__name_files_and_modules_that_are_there() -> None:
    tracked, names = set(FILES), {Path(file).name for file in FILES} | OUTSIDE
    gone = []
    for file in FILES:
        if not file.endswith((".py", ".md", ".toml")) or file == "docs/changelog.md":
            continue
        text = (ROOT / file).read_text("utf-8")
        gone += [(file, name) for name in NAMED.findall(text) if name not in tracked]
        gone += [(file, name) for name in BARE.findall(text) if name not in names]
        for module in MODULE.findall(text):
            path = module.replace(".", "/")
            forms = {f"{path}.py", f"{path}/__main__.py", f"{path}/__init__.py"}
            gone += [(file, module)] if not forms & tracked else []
    assert not gone
