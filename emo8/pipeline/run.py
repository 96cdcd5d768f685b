"""`emo8 build`: sources -> rows -> measured -> labelled -> decided -> split -> dataset.

Everything before `decide` runs part by part on an engine and is skipped where the fingerprint
matches. Everything after asks a database over the parts (`emo8.pipeline.verdicts`). Running the
same recipe again finishes what was not finished.
"""

from __future__ import annotations

import importlib
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emo8 import sources
from emo8.core import label_set
from emo8.core.read_recipe import load_recipe
from emo8.dataset import row_order, write
from emo8.duplicates import leaks
from emo8.duplicates.drop import DuplicateSearch
from emo8.duplicates.pairs import Pairs
from emo8.engine import build_folder, database, malloc, placing, warm
from emo8.engine.database import Database
from emo8.engine.files import fingerprint
from emo8.engine.local import Engine, make_engine
from emo8.engine.plan import Plan
from emo8.engine.progress import say
from emo8.engine.steps import ROWS
from emo8.engine.trust import Trust
from emo8.engine.verdict_table import FailedPart
from emo8.pipeline import decide, forget, ingest, integrity, preflight
from emo8.pipeline.parts import PartRunner
from emo8.pipeline.planning import Planner
from emo8.pipeline.verdicts import Verdicts
from emo8.publish import card_numbers
from emo8.publish.card import CardInput, write_card
from emo8.report import numbers, understood
from emo8.review.final_labels import FinalLabels
from emo8.sources import cut

_ANEW = "its rows are measured and embedded once more, and from then on only what changed"


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """What a build came to."""

    funnel: dict[str, object]
    failed_parts: int
    already_complete: bool
    unread: int = 0  # inputs that could not be read now; the next run tries them again
    understood: dict[str, dict[str, int]] = field(default_factory=dict)  # topic -> words -> rows


def build(
    recipe_path: Path,
    out: Path,
    *,
    workers: int | None = None,
    engine: str = "local",
    address: str | None = None,
    retry_failed: bool = False,
) -> BuildResult:
    """Build the dataset that a recipe asks for in the folder `out`.

    `engine` is "local" or "ray"; `address` names a running Ray cluster, `workers` defaults to all
    cores; `retry_failed` tries links again that could not be fetched. Raises an `Emo8Error` for a
    mistake of the user's; a failed part is counted, not raised.
    """
    malloc.give_back_freed()
    warm.want((__name__,))  # it imports what the tasks are made of
    recipe = load_recipe(recipe_path)
    build_folder.check_target(out, recipe, recipe_path)
    runner = make_engine(engine, workers=workers, address=address)
    out = out.absolute()  # the same place for workers that start elsewhere
    with label_set.using(recipe.labels.names()):
        preflight.check(recipe, str(recipe_path))
        chunks = sources.plan(recipe, recipe_path.resolve().parent)
        with build_folder.writing(out), runner:
            planner = Planner(recipe, recipe_path, out, chunks, retry_failed)
            return _Run(planner, runner).run()


class _Run:
    """One run of a build: its stages in order, and those over all parts."""

    def __init__(self, planner: Planner, engine: Engine) -> None:
        self.planner, self.engine = planner, engine
        self.recipe, self.out, self.chunks = planner.recipe, planner.out, planner.chunks
        self.steps, self.removals, self.resolved = planner.steps, planner.removals, planner.resolved
        self.previous, self.plan = planner.previous, planner.plan()
        self.parts = PartRunner(planner, self.plan, engine)

    def run(self) -> BuildResult:
        trust, known = Trust(self.out), self.previous or self.plan
        self.damaged = integrity.mend(self.out, known, trust)
        if not self.damaged and self.previous is not None and self.planner.is_done(self.plan):
            self._finish(self.previous, trust)
            stats = build_folder.read_json(self.out / "report" / "stats.json") or {}
            return BuildResult(
                funnel=stats.get("funnel", {}),
                failed_parts=0,
                already_complete=True,
                understood=understood.with_planned(stats.get("understood", {}), self._planned()),
            )
        self.damaged += integrity.mend_read(self.out, known, trust)
        if known.cut != self.plan.cut and self.plan.stale(self.out, ROWS):
            say(f"{self.out} is of an older emo8, which cut parts otherwise: {_ANEW}")
        threading.Thread(target=_import_ahead).start()
        if self.previous is None or self.previous.removals != self.plan.removals:
            forget.pages(self.out)
        self.plan.save(self.out)
        placing.arrange(self.out, self.plan.fingerprints, useful=self.planner.useful())
        forget.undo(self.out, self.plan, self.removals)
        if any(step.wants_gpu and self.plan.stale(self.out, step.name) for step in self.steps):
            warm.want(warm.MODEL)
        self.parts.make_classifiers()
        ingested = self.parts.ingest()
        self.plan.unread = ingest.still_unread(
            self.previous, ingested, chunks=self.chunks, build=self.out
        )
        self.plan.save(self.out)
        for step in self.steps:
            self.parts.run_step(step)
        self._forget_removed()
        with self._database() as db:
            self._decide(db)
        funnel = self._write_dataset()
        self._finish(self.plan, trust)
        if not self.plan.failed:
            placing.forget(self.out)
        return BuildResult(
            funnel=funnel,
            failed_parts=len(self.plan.failed_parts()),
            already_complete=False,
            unread=sum((self.plan.unread or {}).values()),
            understood=self.understood,
        )

    def _finish(self, plan: Plan, trust: Trust) -> None:
        """Write down what there is: this run has written or checked every file of it."""
        plan.sums = integrity.small_files(self.out)
        plan.save(self.out)
        trust.save(integrity.files(self.out, plan))

    # --- over all parts ----------------------------------------------------------------------

    def _decide(self, db: Database) -> None:
        """Write the verdicts on all inputs, with their splits."""
        failed, parts = self.plan.failed_parts(), self._whole()
        pairs = self._pairs(parts)
        if parts:
            pairs.compare(db)
        Verdicts(
            recipe=self.recipe,
            recipe_dir=self.planner.recipe_dir,
            decider=decide.Decider(
                config=self.recipe.decide,
                removals=self.removals,
                seed=self.recipe.seed,
                claims=FinalLabels(
                    labels=self.recipe.labels,
                    votes=self.recipe.votes,
                    cast=self.planner.cast,
                    calibrations=self.resolved.calibrations,
                ),
            ),
            leaks=leaks.Leaks(
                config=self.recipe.leaks,
                recipe_dir=self.planner.recipe_dir,
                build=self.out,
                model=self.resolved.models[0],
            ),
            copies=DuplicateSearch(config=self.recipe.decide, pairs=pairs.possible()),
            shard_of=self._shards(),
        ).write(db, parts, [self._failed(*item) for item in failed.items()], self.plan.decision)

    def _whole(self) -> list[int]:
        """Parts that did not fail."""
        failed = self.plan.failed_parts()
        return [part for part in range(len(self.chunks)) if part not in failed]

    def _shards(self) -> list[int]:
        """The shard of every part: they are cut as parts are, so that few change with the rows."""
        wanted = row_order.SHARD_PARTS * self.recipe.ingest.part_rows
        return cut.grouped(((chunk.name, chunk.num_inputs) for chunk in self.chunks), wanted)

    def _failed(self, part: int, step: str) -> FailedPart:
        chunk = self.chunks[part]
        return FailedPart(
            part=part, step=step, source=chunk.source.name, num_inputs=chunk.num_inputs
        )

    def _forget_removed(self) -> None:
        """Removed rows keep nothing but names and hashes, before anything is decided."""
        parts = self._whole()
        if not self.removals or not parts:
            return
        with self._database() as db:
            ids = forget.pictures(db, parts, self.removals, self.plan)
        forget.answers(self.out, ids)
        self.planner.count_votes()
        self.plan.decision = self.planner.decision(self.plan)
        self.plan.save(self.out)

    def _database(self) -> AbstractContextManager[Database]:
        return database.opened(self.out, self.recipe.engine.memory_bytes(), self.engine.workers)

    def _pairs(self, parts: list[int]) -> Pairs:
        model = self.resolved.models[0]
        marks = [self.plan.fingerprints[table] for table in ("measure", model.table)]
        return Pairs(
            build=self.out,
            parts=parts,
            model=model,
            config=self.recipe.decide,
            engine=self.engine,
            inputs=fingerprint([[step[part] for step in marks] for part in parts]),
        )

    def _understood(self) -> understood.Understood:
        return understood.of_build(self.out, self._whole(), self._planned())

    def _planned(self) -> list[tuple[str, str, int]]:
        return [note for chunk in self.chunks for note in chunk.notes]

    def _write_dataset(self) -> dict[str, Any]:
        """Write `dataset/` and the report; the funnel comes back."""
        tasks = write.plan_shards(
            self.out,
            self.recipe.ingest.max_pixels,
            blur_faces=self.recipe.publish.blur_faces,
            damaged=self.damaged,
        )
        if tasks:
            self.parts.run_tasks("dataset", list(tasks))
        write.remove_surplus(self.out)
        stats = numbers.statistics(self.out, [model.name for model in self.resolved.models])
        stats["agreement"] = card_numbers.agreement(self.out)
        stats["calibration"] = card_numbers.calibration(self.resolved.calibrations)
        stats["leaks"] = card_numbers.leaks(self.out, self.recipe.leaks, self.planner.recipe_dir)
        stats["fetch"] = numbers.fetch_statistics(self.out, self.recipe)
        stats["understood"] = self.understood = self._understood()
        numbers.write_report(self.out, stats)
        name = self.recipe.name
        given = CardInput(name=name, repo=name, publish=self.recipe.publish, stats=stats)
        write_card(self.out / "dataset", given)
        if not self.plan.failed:
            self.plan.dataset = write.dataset_fingerprint(self.out)
        return dict(stats["funnel"])


def _import_ahead() -> None:
    """Import what the last stages need, while this process waits for its workers."""
    for name in ("datasets", "mlcroissant"):
        importlib.import_module(name)
