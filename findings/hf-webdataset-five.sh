#!/usr/bin/env bash
# A tar shard in WebDataset's form, `key.jpg` and `key.json` side by side, read with `load_dataset("webdataset", ...)`,
# also as a stream. One would guess that what a sample's JSON says comes out, or that an error says why not. The
# types and fields of all samples are those of the first five: where five samples rate a picture 0 or 1 (JSON writes
# whole numbers so), a later 0.75 comes out as 0, and a caption that first appears in the sixth sample is not in the
# dataset, with no word of either. The webdataset library reads the same shard as it is. (A field that is null in the
# first five raises an error instead: huggingface/datasets#7549.)
# Effect here: tar shards are read by a reader of our own (emo8/sources/kinds/webdataset.py), also where `kind = "hub"`
# meets them: it says so instead of loading them. Tested by tests/emo8/sources/test_hub.py::
# test_hub__tar_shards_are_sent_to_the_reader_of_shards and by tests/emo8/sources/test_webdataset.py.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet datasets==5.2.0 webdataset==0.2.111 pillow==13.0.0
cat >try.py <<'PY'
import io, json, sys, tarfile
from importlib.metadata import version

import webdataset
from datasets import load_dataset
from PIL import Image

for name in ("datasets", "webdataset"):
    print(name, version(name))
picture = io.BytesIO()
Image.new("RGB", (8, 8), "red").save(picture, "JPEG")
said = [{"valence": k % 2} for k in range(5)] + [{"valence": 0.75, "caption": "a storm"}]
with tarfile.open("train.tar", "w") as tar:
    for key, one in enumerate(said):
        for field, data in (("jpg", picture.getvalue()), ("json", json.dumps(one).encode())):
            info = tarfile.TarInfo(f"{key}.{field}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
print("last sample as written: ", said[-1])
as_it_is = [json.loads(one["json"]) for one in webdataset.WebDataset("train.tar", shardshuffle=False)][-1]
print("webdataset:             ", as_it_is)
loaded = []
for streaming in (False, True):
    rows = load_dataset("webdataset", data_files={"train": "train.tar"}, split="train", streaming=streaming)
    loaded.append(list(rows)[-1]["json"])
    print(f"datasets, streaming={streaming}:", loaded[-1])
sys.exit(0 if as_it_is == said[-1] and loaded == [{"valence": 0}] * 2 else 1)
PY
HF_HOME="$work" HF_DATASETS_OFFLINE=1 venv/bin/python try.py
