#!/usr/bin/env bash
# Pictures of 16 bits for each channel (PNG as scanners, renderers and photo programs write them), fetched by
# img2dataset. One would guess that they arrive scaled to 8 bits, or that their row says it failed. They are stored
# as wholly white JPEGs, with status "success" and no error: the encoder clips every value above 255, and nearly all
# of 65,535 are. The same pictures of 8 bits arrive as they are.
# Effect here: links that emo8 fetches itself keep the bytes that came, and 16 bits are scaled by 257
# (emo8/core/pixels.py); from a folder or table of img2dataset's the white picture leaves as `blank`, and
# docs/inputs.md says where it comes from.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet img2dataset==1.47.0 opencv-python-headless==4.14.0.94 numpy==2.4.6 pillow==13.0.0 pyarrow==26.0.1 albumentations==1.4.24
cat >try.py <<'PY'
import functools
import http.server
import io
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from img2dataset import download
from PIL import Image


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


def main():
    for name in ("img2dataset", "opencv-python-headless"):
        print(name, version(name))
    Path("pictures").mkdir()
    ramp = np.linspace(20, 220, 256 * 256).reshape(256, 256).astype(np.uint8)
    colour = np.dstack([ramp, ramp.T, 255 - ramp])
    for bits, factor, kind in ((8, 1, np.uint8), (16, 257, np.uint16)):  # 257 * 255 = 65535
        cv2.imwrite(f"pictures/colour-{bits}.png", colour.astype(kind) * kind(factor))
        cv2.imwrite(f"pictures/grey-{bits}.png", ramp.astype(kind) * kind(factor))
    handler = functools.partial(Quiet, directory="pictures")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    names = sorted(path.name for path in Path("pictures").iterdir())
    urls = [f"http://127.0.0.1:{server.server_port}/{name}" for name in names]
    pq.write_table(pa.table({"url": urls}), "links.parquet")
    download(
        url_list="links.parquet", input_format="parquet", output_format="parquet", output_folder="out",
        image_size=256, processes_count=1, thread_count=1, enable_wandb=False,
    )
    means = {}
    for row in pq.read_table("out/00000.parquet").to_pylist():
        name = row["url"].rpartition("/")[2]
        stored = np.asarray(Image.open(io.BytesIO(row["jpg"])).convert("RGB"))
        means[name] = stored.mean()
        print(f"{name}: {row['status']}, error {row['error_message']}, stored {stored.shape}, mean {means[name]:.1f}")
    white = all(mean > 254 for name, mean in means.items() if "16" in name)
    right = all(100 < mean < 140 for name, mean in means.items() if "8" in name)
    print("as this file says" if white and right else "BEHAVES OTHERWISE")
    sys.exit(not (white and right))


if __name__ == "__main__":
    main()
PY
NO_ALBUMENTATIONS_UPDATE=1 venv/bin/python try.py 2>&1 | grep -v "^0it\|it/s\|^$"
