"""Make the picture of the review page in docs/labels.md in headless Chromium.

    python -m docs.make_review_picture BUILD

Needs selenium, Chromium and its driver. Answers a few pictures, so give a build to throw away.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service

OUT = Path(__file__).parent / "review_page.jpg"
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1000,860")
KEYS = ("ann\ue007", "7", "6", "3", "8")  # who, Enter, and four answers
PAUSE_S = 1.5


def main() -> None:
    command = [sys.executable, "-m", "emo8.cli", "review", sys.argv[1], "--serve"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    options = webdriver.ChromeOptions()
    for flag in OPTIONS:
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium") or ""
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        assert process.stdout
        driver.get(process.stdout.readline().strip())
        for keys in KEYS:
            ActionChains(driver).send_keys(*keys).perform()
            time.sleep(PAUSE_S)
        picture = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
        picture.save(OUT, quality=85)
    finally:
        driver.quit()
        process.terminate()


if __name__ == "__main__":
    main()
