"""`fiftyone.yml`: what FiftyOne's `load_from_hub("user/name")` needs to know about a release.

FiftyOne then asks the Hub's rows service for the rows, and makes labels of the class columns. It
cannot read a class that is null or a picture that is withheld: then the column, or the whole file,
is left out, and `emo8 browse user/name` shows the dataset instead.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import yaml

from emo8.dataset.shards import read_rows
from emo8.engine.files import write_text

NAME = "fiftyone.yml"
LABELS = ("emotion", "style")


def write(root: Path, *, name: str) -> bool:
    """Write the file into a staged release; False where FiftyOne could not read the release."""
    table = read_rows(root, [*LABELS, "published_sha256"])
    if table["published_sha256"].null_count:
        return False
    whole = [label for label in LABELS if not pc.any(pc.is_null(table[label])).as_py()]
    content = {
        "name": name,
        "format": "ParquetFilesDataset",
        "media_type": "image",
        "filepath": "image",
        "classification_fields": whole,
        "subsets": ["default"],
        "tags": ["emotion", "emo8"],
    }
    write_text(root / NAME, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return True
