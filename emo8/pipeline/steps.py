"""The part steps of a build in order, and what they need: models, words, calibration, detector.

What is resolved here is recorded in `BUILD/resolved.json`, so that a build says what made it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from emo8.core.settings import Recipe
from emo8.engine import build_folder
from emo8.engine.local import in_a_process
from emo8.engine.progress import say
from emo8.engine.steps import Step
from emo8.labels import calibration, clip_steps, safety
from emo8.labels.attributes import Attributes
from emo8.labels.calibration import Calibrations
from emo8.labels.classifiers import ClassifierTask
from emo8.labels.clip import domain, recorded
from emo8.labels.clip.models import EMBEDDED, EMBEDDED_KNOWS, PUBLIC
from emo8.labels.clip.prompts import PromptSet, load_prompts
from emo8.labels.clip.vocabulary import Vocabulary, load_vocabulary
from emo8.labels.describe import Describe
from emo8.measure import detectors, people
from emo8.measure.step import Measure


@dataclass(frozen=True, kw_only=True)
class ResolvedModels:
    """What the names in a recipe came to."""

    models: tuple[recorded.Model, ...]  # the first also confirms near copies
    prompts: PromptSet
    vocabulary: Vocabulary
    calibrations: Calibrations
    detector: detectors.ResolvedDetector

    def classifier_task(self, out: Path) -> ClassifierTask:
        """Makes the text vectors that the steps below read."""
        return ClassifierTask(
            build=out, models=self.models, prompts=self.prompts, vocabulary=self.vocabulary
        )


def resolve(recipe: Recipe, recipe_path: Path, out: Path) -> ResolvedModels:
    """Everything the steps need, found once and recorded in the build folder `out`."""
    options, recipe_dir = recipe.labels, recipe_path.resolve().parent
    known = (build_folder.read_json(out / build_folder.RESOLVED) or {}).get("models", [])
    if EMBEDDED in options.clip:
        say(f'note: {EMBEDDED_KNOWS}. For anything but drawings: clip = ["{PUBLIC}"]')
    models = tuple(
        recorded.recall(name, known, options.precision) or _load(name, options.precision)
        for name in options.clip
    )
    prompts = load_prompts(recipe_dir / options.prompts if options.prompts else None)
    vocabulary = load_vocabulary(recipe_dir / options.attributes if options.attributes else None)
    key = calibration.inputs_key(
        [(model.name, model.weights_sha256) for model in models],
        prompts.sha256,
        options.style_prompts,
    )
    calibrations = calibration.find(out, options.calibration, recipe_dir, key)
    calibration.require_for_risk(calibrations, options.max_risk, str(recipe_path))
    detector = detectors.resolve(recipe.people.detector, recipe_dir)
    build_folder.write_resolved(
        out,
        recipe,
        recipe_path,
        {
            "models": [dataclasses.asdict(model) for model in models],
            "prompts_sha256": prompts.sha256,
            "attributes_sha256": vocabulary.sha256,
            "calibration": {"state": calibrations.state, "inputs": key},
            "people": {k: v for k, v in dataclasses.asdict(detector).items() if k != "file"},
        },
    )
    return ResolvedModels(
        models=models,
        prompts=prompts,
        vocabulary=vocabulary,
        calibrations=calibrations,
        detector=detector,
    )


def _load(name: str, precision: str) -> recorded.Model:
    """What a model turns out to be, learned by loading it once."""
    say(f"model {name}: loading it for the first time")
    return in_a_process(recorded.resolve, name, precision)


def part_steps(recipe: Recipe, resolved: ResolvedModels, out: Path) -> list[Step]:
    """The steps in order; each may read the ones before it."""
    models, prompts = resolved.models, resolved.prompts
    max_pixels = recipe.ingest.max_pixels
    classifiers = resolved.classifier_task(out).path
    abstains = recipe.labels.out_of_domain == "abstain"
    domains = tuple(domain.of(model.name) if abstains else None for model in models)
    return [
        Measure(max_pixels=max_pixels),
        people.People(
            detector=resolved.detector,
            min_score=recipe.people.min_score,
            max_people=recipe.people.max_people,
            max_pixels=max_pixels,
        ),
        *(clip_steps.Embed(model=model, max_pixels=max_pixels) for model in models),
        clip_steps.Label(
            models=models,
            domains=domains,
            prompts_sha256=prompts.sha256,
            style_prompts=recipe.labels.style_prompts,
            classifiers=classifiers,
        ),
        clip_steps.Calibrate(calibrations=resolved.calibrations),
        Attributes(
            model=models[0],
            domain=domains[0],
            vocabulary=resolved.vocabulary,
            classifiers=classifiers,
            min_prob=recipe.labels.min_attribute_prob,
        ),
        safety.Safety(model=models[0], prompts_sha256=prompts.sha256, classifiers=classifiers),
        safety.CaptionAgreement(model=models[0]),
        Describe(model=models[0]),
    ]
