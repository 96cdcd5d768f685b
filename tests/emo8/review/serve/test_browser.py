"""The page in headless Chromium: forty answers by key, a server killed in between, nothing lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emo8.cli import main
from emo8.core.taxonomy import EMOTIONS
from emo8.review import votes

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")), reason="needs Chromium"
    ),
]
WAIT_S = 60


def _until(what: Callable[[], Any]) -> Any:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


class Served:
    """`emo8 review BUILD --serve` in a process of its own."""

    def __init__(self, build: Path, log: Path) -> None:
        command = [sys.executable, "-m", "emo8.cli", "review", str(build), "--serve"]
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [*command, "--ask", "emotion,valence"], stdout=out, stderr=subprocess.STDOUT
            )
        self.url = str(_until(lambda: log.read_text().partition("\n")[0]))

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def driver() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.add_argument("--window-size=1100,900")
    options.binary_location = shutil.which("chromium") or ""
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


class Page:
    """Somebody at the page, with a keyboard."""

    def __init__(self, driver: Any, url: str, who: str) -> None:
        self.driver = driver
        driver.get(url)
        self.press(*who, "\ue007")  # Enter
        _until(lambda: self.row() or self.told().startswith("All done"))

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def row(self) -> str:
        return str(
            self.driver.execute_script(
                "return document.getElementById('picture').dataset.row || ''"
            )
        )

    def told(self) -> str:
        return str(self.driver.execute_script("return document.getElementById('told').textContent"))

    def answer(self, *keys: str) -> str:
        """Press the keys of one answer; the row they were about, once the next one shows."""
        row = self.row()
        self.press(*keys)
        _until(lambda: self.row() != row or self.told().startswith("All done"))
        return row


def test_page__forty_answers_by_key_and_a_kill_in_between(
    small: Path, tmp_path: Path, driver: Any
) -> None:
    folder = Path(shutil.copytree(small, tmp_path / "small"))
    build = folder / "BUILD"
    served = Served(build, tmp_path / "log")
    ann = Page(driver, served.url, "ann")
    said: dict[tuple[str, str], list[str]] = {}
    for k in range(15):
        said["ann", ann.answer(str(k % 8 + 1), "7")] = [EMOTIONS[k % 8]]
    if folder_of_picture := os.environ.get("EMO8_SCREENSHOT"):
        driver.save_screenshot(folder_of_picture)
    shown = ann.row()
    served.kill()
    ann.press("1", "5")
    _until(lambda: ann.told().startswith("not saved"))
    assert ann.row() == shown

    served = Served(build, tmp_path / "log2")
    ann = Page(driver, served.url, "ann")
    assert ann.row() == shown
    for k in range(5):
        said["ann", ann.answer(" ", str(k + 1), str(k + 2), " ", "3")] = sorted(EMOTIONS[k : k + 2])
    row = ann.answer("3", "5")
    ann.press("u")
    _until(lambda: ann.row() == row)
    ben = Page(driver, served.url, "ben")
    words = {"0": "none", "n": "neutral", "t": "cannot_tell"}
    for k in range(18):
        key = "0nt"[k % 3]
        said["ben", ben.answer(key, "1")] = [words[key]]
    ben.press("x")
    time.sleep(0.3)
    said["ben", ben.answer("2")] = ["reject"]
    ben.press("\ue014")  # the right arrow skips
    _until(lambda: ben.row() not in [row for _, row in said])
    said["ben", ben.answer("8", "9")] = [EMOTIONS[7]]
    assert len(said) == 40
    served.kill()

    assert main(["build", str(folder / "recipe.toml"), "-o", str(build)]) == 0
    cast = votes.counted(votes.read_votes(build))
    emotional = cast[~cast["kind"].eq("valence")]
    words_by_row = emotional.assign(word=emotional["emotion"].fillna(emotional["kind"]))
    found = words_by_row.groupby(["annotator", "id"])["word"].agg(sorted)
    assert sorted(map(str, found)) == sorted(map(str, said.values()))
    assert {key for _, key in found.index} == {key for _, key in said}
    assert cast["kind"].eq("valence").sum() == 39
    assert cast["annotator"].nunique() == 2


def test_page__works_on_a_phone_and_for_screen_readers(
    small: Path, tmp_path: Path, driver: Any
) -> None:
    build = Path(shutil.copytree(small / "BUILD", tmp_path / "BUILD"))
    served = Served(build, tmp_path / "log")
    driver.set_window_size(390, 780)
    page = Page(driver, served.url, "ann")
    wide = driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0
    named = driver.execute_script(
        "return [...document.querySelectorAll('button')].filter(b => b.offsetParent).every("
        "b => b.textContent.trim() && b.getAttribute('aria-keyshortcuts'))"
    )
    assert named
    assert (
        driver.execute_script("return document.getElementById('told').getAttribute('role')")
        == "status"
    )
    assert driver.execute_script("return document.getElementById('picture').alt").startswith(
        "picture 1 of"
    )
    row = page.row()
    driver.execute_script("document.querySelector('#keys button').click()")  # a finger
    _until(
        lambda: (
            "valence"
            in driver.execute_script("return document.getElementById('question').textContent")
        )
    )
    driver.execute_script("document.querySelectorAll('#keys button')[4].click()")
    _until(lambda: page.row() != row)
    served.kill()
    assert sorted(votes.read_votes(build)["kind"]) == ["choice", "valence"]
