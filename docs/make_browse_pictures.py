"""Make the pictures of docs/browse.md in headless Chromium.

    python docs/make_browse_pictures.py BUILD

Needs `emo8[browse]` with a database, selenium, Chromium and its driver.
"""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

FOLDER = Path(__file__).parent
WAIT_S = 180
COLOUR_BY = ("emotion", "emotion.label")
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1500,950")


def until(what: Callable[[], Any]) -> Any:
    """What `what` gives as soon as it gives something."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            found = what()
        except Exception:  # the page is not there yet
            found = None
        if found:
            return found
        time.sleep(0.5)
    raise SystemExit("the App did not get that far")


def serve(build: str) -> tuple[subprocess.Popen[str], str]:
    """The App on a free port, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "emo8.cli", "browse", build, "--no-open", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in process.stdout or ():
        if line.startswith("http://"):
            return process, line.strip()
    raise SystemExit("emo8 browse ended")


def click(driver: Any, words: str) -> None:
    element = until(lambda: driver.find_element("xpath", f"//*[text()='{words}']"))
    driver.execute_script("arguments[0].click()", element)


def shoot(driver: Any, name: str) -> None:
    """Save the page as a small JPEG, without FiftyOne's advertisement."""
    for element in driver.find_elements("xpath", "//*[text()='Dismiss']"):
        driver.execute_script("arguments[0].click()", element)
    time.sleep(4)  # pictures fade in
    image = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    image.save(FOLDER / name, "JPEG", quality=80, optimize=True)


def main(build: str) -> None:
    process, url = serve(build)
    options = webdriver.ChromeOptions()
    for argument in OPTIONS:
        options.add_argument(argument)
    options.binary_location = shutil.which("chromium") or ""
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    try:
        driver.get(f"{url}?view=unreviewed-queue")
        until(lambda: "samples" in driver.find_element("tag name", "body").text)
        time.sleep(10)
        shoot(driver, "browse_grid.jpg")
        driver.get(f"{url}?workspace=embedding-map")
        click(driver, "map_pca")
        until(lambda: "points" in driver.find_element("tag name", "body").text)
        button = until(lambda: driver.find_element("css selector", "button[aria-label='Color by']"))
        driver.execute_script("arguments[0].click()", button)
        field = until(lambda: driver.find_element("css selector", "input[aria-label='Color by']"))
        field.send_keys("emotion")
        time.sleep(2)
        choices = driver.find_elements("css selector", "[role='option']")
        wanted = [choice for choice in choices if choice.text.strip() in COLOUR_BY]
        driver.execute_script("arguments[0].click()", wanted[0])
        time.sleep(6)
        shoot(driver, "browse_map.jpg")
    finally:
        driver.quit()
        process.terminate()


if __name__ == "__main__":
    main(sys.argv[1])
