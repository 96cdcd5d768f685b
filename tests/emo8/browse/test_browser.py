"""The App in headless Chromium: what a curator sees, two at once, and what a kill leaves behind."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image

from tests.conftest import encoded, picture
from tests.emo8.browse.conftest import Mongo, emo8

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")), reason="needs Chromium"
    ),
]
WAIT_S = 120  # a slow machine makes these tests slow, never wrong


def _until(what: Callable[[], Any], message: str) -> Any:
    """What `what` gives once it gives something; an error that says what was waited for."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            found = what()
        except Exception:  # the page may be anywhere between blank and done
            found = None
        if found:
            return found
        time.sleep(0.3)
    raise AssertionError(f"waited {WAIT_S} s for {message}")


class App:
    """`emo8 browse` in a process of its own."""

    def __init__(
        self, data: Path, log: Path, *, wait: bool = True, cwd: Path | None = None
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.log = log
        command = [sys.executable, "-m", "emo8.cli", "browse", str(data), "--no-open"]
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)],
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True, cwd=cwd,
            )  # fmt: skip
        self.url = self.wait() if wait else ""

    def wait(self) -> str:
        """The address, once the App answers."""
        return str(_until(self._url, f"the App; it said {self.log}"))

    def _url(self) -> str | None:
        assert self.process.poll() is None, self.log.read_text()
        lines = self.log.read_text().splitlines()
        return next((line for line in lines if line.startswith("http://")), None)

    def kill(self) -> None:
        """End it and its server as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def served(fiftyone: Any, own: Path, tmp_path: Path) -> Iterator[App]:
    app = App(own / "BUILD", tmp_path / "app.log")
    yield app
    app.kill()


@pytest.fixture
def open_browser() -> Iterator[Callable[[str], Any]]:
    """A function that opens a page in a new Chromium of its own."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    opened = []

    def start(url: str) -> Any:
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                         "--window-size=1600,1000", "--enable-unsafe-swiftshader"):  # fmt: skip
            options.add_argument(argument)
        options.binary_location = shutil.which("chromium") or ""
        driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
        opened.append(driver)
        driver.set_page_load_timeout(WAIT_S)
        driver.get(url)
        return driver

    yield start
    for driver in opened:
        driver.quit()


def _wait_for(driver: Any, words: str) -> None:
    """Wait until the page says `words`; else an error with what it says instead."""

    def text() -> str:
        return str(driver.find_element("tag name", "body").text)

    try:
        _until(lambda: words in text(), words)
    except AssertionError as error:
        raise AssertionError(f"{error}; {driver.current_url} says {text()!r}") from None


def _shot(driver: Any, path: Path) -> Image.Image:
    """A screenshot that is more than an empty page."""
    driver.save_screenshot(str(path))
    image = Image.open(path).convert("RGB")
    assert len(image.getcolors(1 << 24) or []) > 500, f"{path} shows nothing"
    return image


def _hashes(folder: Path) -> dict[str, str]:
    """Every file of a build but those that browsing makes."""
    files = [p for p in folder.rglob("*") if p.is_file() and "browse" not in p.parts]
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in files
        if not p.name.startswith(".lock")
    }


def test_browser__grid_view_and_map(
    served: App, fiftyone: Any, open_browser: Callable[[str], Any], tmp_path: Path
) -> None:
    dataset = fiftyone.load_dataset(served.url.rpartition("/")[2])
    page = open_browser(served.url)  # one for all: a page that nobody looks at computes, too
    _wait_for(page, f"{len(dataset)} samples")
    _shot(page, tmp_path / "grid.png")
    view = dataset.load_saved_view("style: cartoon")
    page.get(f"{served.url}?view=style-cartoon")
    _wait_for(page, f"{len(view)} samples")
    _shot(page, tmp_path / "view.png")
    page.get(f"{served.url}?workspace=embedding-map")
    chosen = _until(lambda: page.find_element("xpath", "//*[text()='map_pca']"), "the maps")
    page.execute_script("arguments[0].click()", chosen)  # the list lies under its own backdrop
    points = len(dataset.load_brain_results("map_pca").points)
    _wait_for(page, f"{points} points")
    _shot(page, tmp_path / "map.png")


def test_browser__second_day_every_tile_loads(
    fiftyone: Any, own: Path, open_browser: Callable[[str], Any], tmp_path: Path
) -> None:
    first = App(Path("small") / "BUILD", tmp_path / "first.log", cwd=tmp_path)
    first.kill()
    pictures = own / "pictures" / "cartoon"
    (pictures / "new.png").write_bytes(encoded(picture(77), "PNG"))
    (pictures / "0.jpg").rename(pictures / "renamed.jpg")
    (pictures / "3.jpg").unlink()
    assert emo8("build", "recipe.toml", "-o", "BUILD", cwd=own).returncode == 0
    second = App(Path("BUILD"), tmp_path / "second.log", cwd=own)  # a path from another folder
    try:
        dataset = fiftyone.load_dataset(second.url.rpartition("/")[2])
        page = open_browser(second.url)
        _wait_for(page, f"{len(dataset)} samples")
        _shot(page, tmp_path / "second.png")
        names = set(dataset.match({"verdict": "kept"}).values("source_path"))
        assert {"cartoon/new.png", "cartoon/renamed.jpg"} <= names and "cartoon/3.jpg" not in names
        for path in dataset.match({"has_picture": True}).values("filepath"):
            assert Path(path).is_absolute()
            address = f"http://127.0.0.1:{second.port}/media?filepath={quote(path)}"
            with urllib.request.urlopen(address, timeout=WAIT_S) as reply:
                assert reply.status == 200 and len(reply.read()) > 100, path
        asked = page.execute_script(
            "return performance.getEntriesByType('resource')"
            ".filter(e => e.name.includes('/media')).map(e => e.responseStatus)"
        )
        assert all(status in (0, 200, 206) for status in asked), asked
    finally:
        second.kill()


def test_browser__two_at_once_and_a_tag_comes_home(
    served: App, own: Path, fiftyone: Any, open_browser: Callable[[str], Any]
) -> None:
    name = served.url.rpartition("/")[2]
    dataset = fiftyone.load_dataset(name)
    first, second = open_browser(served.url), open_browser(served.url)
    for driver in (first, second):
        _wait_for(driver, f"{len(dataset)} samples")
    _tag(dataset, "emotion:fear@ann")
    found = emo8("review", own / "BUILD", "--import")
    assert found.returncode == 0, found.stderr
    assert "1 votes on 1 rows by 1 annotators" in found.stdout


def test_browser__two_commands_at_once_fill_one_dataset(
    fiftyone: Any, own: Path, tmp_path: Path
) -> None:
    apps = [App(own / "BUILD", tmp_path / f"{k}.log", wait=False) for k in range(2)]
    try:
        (name,) = {app.wait().rpartition("/")[2] for app in apps}
        keys = fiftyone.load_dataset(name).values("key")
        assert len(set(keys)) == len(keys) > 0
        added = [int(re.search(r"(\d+) new", app.log.read_text())[1]) for app in apps]
        assert sorted(added) == [0, len(keys)]
    finally:
        for app in apps:
            app.kill()


def test_browser__a_vanished_file_costs_one_tile(
    served: App, fiftyone: Any, open_browser: Callable[[str], Any], tmp_path: Path
) -> None:
    dataset = fiftyone.load_dataset(served.url.rpartition("/")[2])
    Path(dataset.match({"verdict": "kept"}).first().filepath).unlink()
    page = open_browser(served.url)
    _wait_for(page, f"{len(dataset)} samples")
    _shot(page, tmp_path / "vanished.png")


def test_browser__only_this_machine_is_served(served: App) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{served.port}/fiftyone", timeout=60) as reply:
        assert b"version" in reply.read()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # the whole of 127/8 is this machine, but only 127.0.0.1 is listened to
        assert probe.connect_ex(("127.0.0.2", served.port)) != 0
    assert "WARNING" not in served.log.read_text()


def test_browser__killing_app_and_database_loses_nothing(
    mongo: Mongo, fiftyone: Any, own: Path, tmp_path: Path
) -> None:
    before = _hashes(own / "BUILD")
    app = App(own / "BUILD", tmp_path / "app.log")
    name = app.url.rpartition("/")[2]
    dataset = fiftyone.load_dataset(name)
    samples = len(dataset)
    _tag(dataset, "emotion:fear@ann")
    sync_database()  # what MongoDB does ten times a second; only the rest of that tenth can be lost
    app.kill()
    assert _hashes(own / "BUILD") == before
    mongo.kill()
    found = emo8("review", own / "BUILD", "--import")
    assert found.returncode == 2
    assert "FIFTYONE_DATABASE_URI" in found.stderr
    assert _hashes(own / "BUILD") == before
    mongo.start()
    again = App(own / "BUILD", tmp_path / "again.log")
    try:
        assert again.url.rpartition("/")[2] == name
        assert f"{samples} rows" in again.log.read_text()
        assert ": 0 new, 0 changed, 0 gone" in again.log.read_text()
        assert fiftyone.list_datasets() == [name]
        assert _hashes(own / "BUILD") == before
    finally:
        again.kill()
    found = emo8("review", own / "BUILD", "--import")
    assert found.returncode == 0, found.stderr
    assert "1 votes on 1 rows" in found.stdout


def test_browser__a_database_killed_under_the_app_comes_back(
    mongo: Mongo, served: App, fiftyone: Any, own: Path
) -> None:
    before = _hashes(own / "BUILD")
    name = served.url.rpartition("/")[2]
    _tag(fiftyone.load_dataset(name), "emotion:fear@ann")
    sync_database()
    mongo.kill()
    mongo.start()  # the App itself goes on where it was
    _tag(fiftyone.load_dataset(name), "style:cartoon@ann")
    page = f"http://127.0.0.1:{served.port}/fiftyone"
    with urllib.request.urlopen(page, timeout=WAIT_S) as reply:
        assert reply.status == 200
    found = emo8("review", own / "BUILD", "--import")
    assert found.returncode == 0, found.stderr
    assert "2 votes on 1 rows" in found.stdout
    assert served.process.poll() is None
    changed = {file for file, own in _hashes(own / "BUILD").items() if before.get(file) != own}
    assert all(file.startswith("tables/") for file in changed), changed


def _tag(dataset: Any, tag: str) -> None:
    """Put a tag on the first kept row."""
    sample = dataset.match({"verdict": "kept"}).first()
    sample.tags.append(tag)
    sample.save()


def sync_database() -> None:
    """Return when MongoDB's journal holds everything written so far."""
    from fiftyone.core import odm

    odm.sync_database()
