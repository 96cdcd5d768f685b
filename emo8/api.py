"""emo8 from Python: what `emo8.build`, `emo8.open_build` and `emo8.label` are.

import emo8

made = emo8.build("recipe.toml", "BUILD")
made.funnel, made.to_pandas()
emo8.label(["one.jpg", "two.png"])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datasets
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from PIL import Image

    from emo8.core.settings import OutOfDomain

    Picture = str | Path | Image.Image | np.ndarray


SOURCE_PATH = "source_path"  # of a picture: its file, as the source names it


@dataclass(frozen=True)
class Build:
    """A build's folder, with its results as tables."""

    path: Path

    @property
    def funnel(self) -> dict[str, Any]:
        """`{"inputs": n, "kept": n, "rejected": {reason: n}}`."""
        from emo8.engine import build_folder

        return build_folder.read_json(self.path / "report" / "funnel.json") or {}

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The kept rows with their `split`; all columns but the pictures unless named."""
        from emo8.core import schema
        from emo8.dataset import shards

        names = list(columns or (name for name in schema.PUBLISHED if name != "image"))
        return shards.read_rows(self.path / "dataset", names).drop_columns(["shard"])

    def to_pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """`table` as pandas, emotions and styles by name, with `source_path`: whose file it is."""
        from emo8.dataset.shards import labels_of

        named = None if columns is None else [name for name in columns if name != SOURCE_PATH]
        asked = columns is None or SOURCE_PATH in columns
        read = [*dict.fromkeys([*named, "id"])] if named is not None and asked else named
        frame: pd.DataFrame = self.table(read).to_pandas()
        if asked:
            frame[SOURCE_PATH] = frame["id"].map(self._paths())
            if named is not None and "id" not in named:
                frame = frame.drop(columns="id")
        labels = labels_of(self.path / "dataset")
        for column, names in (("emotion", labels.emotions), ("style", labels.styles)):
            if column in frame and frame[column].dtype.kind in "if":
                frame[column] = frame[column].map(dict(enumerate(names)))
        return frame

    def _paths(self) -> dict[str, str]:
        """Id -> path in its source, of the kept rows; the dataset itself names no file."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        from emo8.engine.verdict_table import VERDICTS

        kept = pc.field("reason").is_null()
        rows = pq.read_table(self.path / VERDICTS, columns=["id", SOURCE_PATH], filters=kept)
        return dict(zip(*(column.to_pylist() for column in rows.columns)))

    def rejected(self) -> pd.DataFrame:
        """Every input that left: id, where from, step, reason, value."""
        import pandas as pd

        return pd.read_parquet(self.path / "tables" / "rejected.parquet")

    def load(self, split: str | None = None) -> datasets.Dataset | datasets.DatasetDict:
        """The dataset as `datasets.load_dataset` gives it, pictures included, and `source_path`."""
        import datasets

        paths = self._paths()
        found = datasets.load_dataset(str(self.path / "dataset"), split=split)
        if isinstance(found, datasets.Dataset):
            return _with_paths(found, paths)
        return datasets.DatasetDict({key: _with_paths(own, paths) for key, own in found.items()})


def _with_paths(dataset: datasets.Dataset, paths: dict[str, str]) -> datasets.Dataset:
    column = [paths.get(key) for key in dataset["id"]]
    return dataset.add_column(SOURCE_PATH, column)


def open_build(path: str | Path) -> Build:
    """A finished or unfinished build; BuildError for a folder that is none."""
    from emo8.engine import build_folder

    build_folder.require_build(Path(path))
    return Build(Path(path))


def build(
    recipe: str | Path,
    out: str | Path,
    *,
    workers: int | None = None,
    engine: str = "local",
    address: str | None = None,
) -> Build:
    """Builds, continues or updates `out` as `emo8 build` does; BuildError when parts failed."""
    from emo8.core.errors import BuildError
    from emo8.pipeline import run

    result = run.build(Path(recipe), Path(out), workers=workers, engine=engine, address=address)
    if result.failed_parts:
        raise BuildError(
            f"{result.failed_parts} parts of {out} failed; `emo8 status {out}` says why, and "
            "building again tries them again"
        )
    return Build(Path(out))


def label(
    pictures: Sequence[Picture],
    *,
    model: str = "embedded",
    prompts: str | Path | None = None,
    out_of_domain: OutOfDomain = "abstain",
) -> pd.DataFrame:
    """CLIP's claims about pictures (files, PIL pictures or uint8 RGB arrays), one line each.

    Columns `emotion`, `style`, `emotion_prob` and `style_prob` (in taxonomy order), `margin`
    between the two likeliest emotions. Uncalibrated: a build can calibrate them on labelled rows.
    Of a picture outside of the model's domain (the embedded one knows drawings) nothing is claimed:
    emotion and style are None, the distributions even; `out_of_domain="guess"` claims anyway.
    ImageError names a file that is no picture.
    """
    import numpy as np
    import pandas as pd

    from emo8.core import label_set
    from emo8.labels.clip import domain, encoder, zeroshot
    from emo8.labels.clip.prompts import load_prompts
    from emo8.review.final_labels import most_likely

    clip = encoder.load(model, device=encoder.best_device())
    words = load_prompts(Path(prompts) if prompts else None)
    vectors = clip.embed_images(_pixels(picture) for picture in pictures)
    asked = {
        "emotion": (words.emotion, label_set.emotions()),
        "style": (words.style, label_set.styles()),
    }
    prob = {
        what: zeroshot.probabilities(
            vectors, zeroshot.classifier(clip, texts, names), logit_scale=clip.logit_scale
        )
        for what, (texts, names) in asked.items()
    }
    known = domain.of(model) if out_of_domain == "abstain" else None
    if known is not None:
        for shares in prob.values():
            shares[~known.holds(vectors)] = domain.nothing_said(shares.shape[1])
    best = np.sort(prob["emotion"], axis=1)
    return pd.DataFrame(
        {
            "emotion": most_likely(pd.Series(list(prob["emotion"])), label_set.emotions()).tolist(),
            "style": most_likely(pd.Series(list(prob["style"])), label_set.styles()).tolist(),
            "emotion_prob": list(prob["emotion"]),
            "style_prob": list(prob["style"]),
            "margin": best[:, -1] - best[:, -2],
        },
        index=[str(p) if isinstance(p, str | Path) else n for n, p in enumerate(pictures)],
    )


def _pixels(picture: Picture) -> Any:
    """What the encoder takes; files and PIL pictures through the decoder of builds."""
    import numpy as np

    if isinstance(picture, np.ndarray):
        return picture
    from emo8.core import images
    from emo8.core.errors import ImageError
    from emo8.core.settings import IngestConfig

    try:
        if not isinstance(picture, str | Path):
            return images.decode_pil(picture).rgb
        data = Path(picture).read_bytes()
        return images.decode(data, max_pixels=IngestConfig().max_pixels).rgb
    except FileNotFoundError:
        raise ImageError(f"{picture}: no such file") from None
    except images.DecodeError as error:
        raise ImageError(f"{picture}: not a readable picture ({error})") from error
