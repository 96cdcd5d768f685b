"""Texts are embedded once, and a model is imported for new ones alone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emo8.labels.classifiers import ClassifierTask
from emo8.labels.clip.encoder import load
from emo8.labels.clip.prompts import DEFAULT_PATH, load_prompts
from emo8.labels.clip.recorded import resolve
from emo8.labels.clip.text_vectors import TextVectors
from emo8.labels.clip.vocabulary import load_vocabulary

HEAVY = ("torch", "open_clip")


def texts_of(task: ClassifierTask) -> dict[str, np.ndarray]:
    with np.load(task.path, allow_pickle=False) as file:
        return dict(file)


def test_classifiers__a_changed_prompt_embeds_only_new_texts(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(DEFAULT_PATH.read_text().replace('"rage"', '"wrath"', 1))
    prompts, changed = load_prompts(), load_prompts(own)
    models = (resolve("embedded", "fp32"),)

    def task(folder: str, words: object) -> ClassifierTask:
        return ClassifierTask(
            build=tmp_path / folder, models=models, prompts=words, vocabulary=load_vocabulary()
        )  # type: ignore[arg-type]

    first, second, fresh = task("B", prompts), task("B", changed), task("other", changed)
    assert first.run(None) > 500
    new = {text for found in changed.emotion.values() for text in found}
    new -= {text for found in prompts.emotion.values() for text in found}
    assert 0 < second.run(None) < 10 * len(new)
    fresh.run(None)
    after, alone = texts_of(second), texts_of(fresh)
    assert after.keys() == alone.keys()
    for name, vectors in after.items():  # what was kept is what would have been made
        np.testing.assert_array_equal(vectors, alone[name])


def test_text_vectors__in_any_order_and_company_the_same(tmp_path: Path) -> None:
    encoder = load("embedded")
    texts = [f"a photo of {number} dogs" for number in range(21)]
    kept = TextVectors(tmp_path, "embedded", encoder.weights_sha256)
    one = kept.embed_texts(texts[3:5])
    kept.save()
    again = TextVectors(tmp_path, "embedded", encoder.weights_sha256)
    found = again.embed_texts([*texts[::-1], texts[3]])
    assert again.num_new == len(texts) - 2
    np.testing.assert_array_equal(found[[17, 16, 21]], one[[0, 1, 0]])
    alone = np.concatenate([encoder.embed_texts([text]) for text in texts])
    np.testing.assert_allclose(found[:-1], alone[::-1], atol=1e-5)


def imported(recipe: Path, target: Path) -> set[str]:
    """Which of the heavy libraries a build and its workers imported."""
    code = "import sys; from emo8.cli import main; sys.exit(main(sys.argv[1:]))"
    run = subprocess.run(
        [sys.executable, "-c", code, "build", str(recipe), "-o", str(target), "--workers", "1"],
        env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    names = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert "numpy" in names
    return names & set(HEAVY)


@pytest.mark.parametrize(
    ("setting", "where"),
    [("[decide]\nmin_side_px = 16\n", ""), ('prompts = "own.toml"\n', 'clip = ["embedded"]\n')],
)
def test_build__without_a_new_text_no_model_is_imported(
    small: Path, tmp_path: Path, setting: str, where: str
) -> None:
    folder = Path(shutil.copytree(small, tmp_path / "own"))
    words = DEFAULT_PATH.read_text()
    (folder / "own.toml").write_text(words.replace('"rage", ', "", 1))  # fewer, none new
    recipe = folder / "recipe.toml"
    text = recipe.read_text()
    recipe.write_text(text.replace(where, where + setting) if where else text + setting)
    assert imported(recipe, folder / "BUILD") == set()
