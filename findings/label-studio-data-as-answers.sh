#!/usr/bin/env bash
# A Label Studio project whose tasks bring a field of the name of a question (`emotion`: what an author or model
# says, shown to people who then answer the control `emotion`) and an `id` of their own. One would guess that CSV
# and JSON_MIN say what people answered. The CSV of label-studio 1.22.0 (label-studio-sdk 2.0.16) says the task's
# data in every line, whatever was answered; JSON_MIN, also in label-studio 1.23.2 (sdk 2.1.2), says the data where
# somebody submitted nothing and for tasks that nobody opened; and the task's number replaces its own `id` in
# JSON_MIN but not in CSV. (CSV of 1.23.2 sets the data apart as `_data_emotion`.)
# Effect here: such files are refused where they show it, tasks without an annotation are no votes, and a bare
# number names no picture (emo8/review/readers/label_studio.py), tested by
# tests/emo8/review/readers/test_label_studio.py.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >try.py <<'PY'
import csv, json, sys
from importlib.metadata import version

from label_studio_sdk.converter import Converter

CONFIG = """<View><Image name="image" value="$image"/><Choices name="emotion" toName="image">
<Choice value="awe"/><Choice value="fear"/></Choices></View>"""


def annotation(number, said):
    answer = {"id": "r", "from_name": "emotion", "to_name": "image", "type": "choices", "value": {"choices": said}}
    return {"id": number, "completed_by": 1, "result": [answer] if said else [], "was_cancelled": False,
            "created_at": f"2026-01-0{number}T10:00:00Z", "updated_at": "2026-01-09T10:00:00Z", "lead_time": 2.0}


tasks = [{"id": 11 + k, "data": {"id": f"pic-{k}", "image": f"{k}.jpg", "emotion": "awe"}, "annotations": given}
         for k, given in enumerate([[annotation(1, ["fear"])], [annotation(2, [])], []])]
with open("tasks.json", "w") as file:
    json.dump(tasks, file)
converter = Converter(CONFIG, ".")
converter.convert_to_csv("tasks.json", ".", is_dir=False, sep=",")
with open("result.csv") as file:
    lines = [(row["id"], row["emotion"]) for row in csv.DictReader(file)]
converter.convert_to_json_min("tasks.json", ".", is_dir=False)
with open("result.json") as file:
    objects = [(row["id"], row["emotion"]) for row in json.load(file)]
print("label-studio-sdk", version("label-studio-sdk"))
print("  asked: fear | nothing answered | nobody asked; the tasks' data say awe, pic-0, pic-1, pic-2")
print("  CSV     ", lines)
print("  JSON_MIN", objects)
in_csv = {"2.0.16": ["awe", "awe", "awe"], "2.1.2": ["fear", "", ""]}[version("label-studio-sdk")]
same = lines == list(zip(["pic-0", "pic-1", "pic-2"], in_csv))
sys.exit(0 if same and objects == [(11, "fear"), (12, "awe"), (13, "awe")] else 1)
PY
for release in 2.0.16 2.1.2; do
  python3 -m venv "venv-$release"
  "venv-$release/bin/pip" install --quiet "label-studio-sdk==$release"
  "venv-$release/bin/python" try.py
done
