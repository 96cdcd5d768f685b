"""Make the pictures of README and docs from a finished demo: python docs/make_pictures.py DEMO."""

import sys
from pathlib import Path

from emo8.demo.report import picker, read_dataset
from emo8.report import figures

if __name__ == "__main__":
    build = Path(sys.argv[1]) / "build"
    target = Path(__file__).parent / "sample_grid.png"
    target.write_bytes(figures.sample_grid(picker(read_dataset(build / "dataset"))))
