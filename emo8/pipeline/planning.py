"""What a build is made of, and the plan that follows: the fingerprint every part must carry."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

from emo8.core import label_set, schema
from emo8.core.settings import Recipe
from emo8.dataset import removal, splits, write
from emo8.duplicates import leaks
from emo8.engine import build_folder
from emo8.engine.files import fingerprint
from emo8.engine.plan import Plan, changes, load_plan
from emo8.engine.steps import ROWS
from emo8.labels.clip import recorded
from emo8.pipeline import ingest, steps
from emo8.review import journal, votes
from emo8.sources import cut
from emo8.sources.base import Chunk
from emo8.tables.thresholds import CHECKS
from emo8.web.build_fetch import Fetch

logger = logging.getLogger(__name__)

DECIDE_VERSION = 9


class Planner:
    """All that a run starts from: sources, models, steps, votes, removals, and the run before."""

    def __init__(
        self, recipe: Recipe, recipe_path: Path, out: Path, chunks: list[Chunk], retry_failed: bool
    ) -> None:
        self.recipe, self.out, self.chunks = recipe, out, chunks
        self.recipe_dir = recipe_path.resolve().parent
        before = build_folder.read_json(out / build_folder.RESOLVED) or {}
        self.outdated = recorded.outdated(before)
        self.resolved = steps.resolve(recipe, recipe_path, out)
        _warn_of_strange_words(recipe)
        self.steps = steps.part_steps(recipe, self.resolved, out)
        self.origins = self._origins()
        journal.settle(out)
        self.count_votes()
        self.removals = removal.learn(out)
        self.previous = load_plan(out)
        self.fetch = Fetch(
            build=out, chunks=chunks, config=recipe.fetch, max_bytes=recipe.ingest.max_bytes
        )
        if retry_failed:
            self.fetch.retry_failed()
        self.tries = ingest.tries(self.previous, chunks, out)

    def count_votes(self) -> None:
        """Read the votes that count as they are now."""
        self.cast = votes.counted(votes.read_votes(self.out))

    def plan(self) -> Plan:
        """The fingerprint every part must carry, and that of the decision over all of them."""
        marks = {ROWS: [self._rows_mark(part) for part in range(len(self.chunks))]}
        for step in self.steps:
            marks[step.name] = [
                step.fingerprint({table: marks[table][part] for table in marks})
                for part in range(len(self.chunks))
            ]
        plan = Plan(
            fingerprints=marks,
            removals=removal.list_fingerprint(self.removals),
            tries=self.tries,
            cut=cut.VERSION,
            made_of={step.name: step.made_of() for step in self.steps},
        )
        plan.decision = self.decision(plan)
        plan.why = changes(self.previous, plan, {step.name: [*step.reads] for step in self.steps})
        plan.why |= {step: why for step, why in self.outdated.items() if step in plan.why}
        return plan

    def decision(self, plan: Plan) -> str:
        """The fingerprint of everything that the verdicts depend on."""
        recipe = self.recipe
        configs = (recipe.decide, recipe.leaks, recipe.splits, recipe.publish, recipe.votes)
        options: list[Any] = [dataclasses.asdict(item) for item in configs]
        options += [(check.reason, check.column, check.below) for check in CHECKS]
        options += leaks.check_files(self.recipe_dir, recipe.leaks.files)
        options += splits.stamp_kept(self.recipe_dir, recipe.splits)
        rules = [
            recipe.labels.rule,
            recipe.labels.style_rule,
            recipe.labels.max_risk,
            self.resolved.calibrations.thresholds(recipe.labels.max_risk),
            votes.stamp(self.cast),
            *label_set.current().stamp(),
        ]
        published = {name: str(column.type) for name, column in schema.PUBLISHED.items()}
        made_of = (published, plan.fingerprints, plan.removals)
        return fingerprint(DECIDE_VERSION, write.VERSION, options, rules, recipe.seed, *made_of)

    def is_done(self, plan: Plan) -> bool:
        """Whether the last run finished exactly this plan and its dataset is still there."""
        before = self.previous
        return (
            before is not None
            and before.decision == plan.decision
            and not before.failed
            and before.unread == {}
            and before.dataset == write.dataset_fingerprint(self.out)
            and not any(plan.stale(self.out, step) for step in plan.fingerprints)
        )

    def useful(self) -> list[str]:
        """Tables whose parts of earlier runs may hold what rows come to again, or was fetched."""
        fetched = any(chunk.source.kind == "urls" for chunk in self.chunks)
        return [ROWS] * fetched + [step.name for step in self.steps if step.keyed_by]

    def _rows_mark(self, part: int) -> str:
        """The fingerprint of a part of rows/: of links also the rules and the round of tries."""
        mark = ingest.chunk_fingerprint(self.chunks[part], self.recipe.ingest.max_bytes)
        if names := label_set.current().stamp():  # which words of a source are labels
            mark = fingerprint(mark, names)
        if again := self.tries.get(self.chunks[part].fingerprint()):
            mark = fingerprint(mark, again)
        if self.chunks[part].source.kind != "urls":
            return mark
        return fingerprint(mark, self.fetch.policy(part), self.fetch.round(part))

    def _origins(self) -> dict[str, str]:
        """By table the fingerprint of how its results are made, whatever the rows."""
        origins = {ROWS: ""}
        for step in self.steps:
            origins[step.name] = step.fingerprint(origins)
        return origins


def _warn_of_strange_words(recipe: Recipe) -> None:
    """Say where the embedded model is asked about emotions that it never learnt."""
    strange = [name for name in label_set.emotions() if name not in label_set.MIKELS.emotions]
    if strange and "embedded" in recipe.labels.clip:
        logger.warning(
            "labels.emotions: the embedded model was trained for Mikels' eight, not for %s; what "
            "it says of them is a guess from their names, so let people or the source label, or "
            "give another model in labels.clip",
            ", ".join(strange),
        )
