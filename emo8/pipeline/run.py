"""`emo8 build`: sources -> rows -> measured -> labelled -> decided -> split -> dataset.

Everything before `decide` runs part by part on an engine and is skipped where the fingerprint
matches. Everything after asks a database over the parts (`emo8.pipeline.verdicts`). Running the
same recipe again finishes what was not finished.
"""

from __future__ import annotations

import dataclasses
import importlib
import logging
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emo8 import sources
from emo8.core import label_set, schema
from emo8.core.errors import BuildError
from emo8.core.read_recipe import load_recipe
from emo8.core.settings import Recipe
from emo8.dataset import removal, row_order, write
from emo8.duplicates import leaks
from emo8.duplicates.drop import DuplicateSearch
from emo8.duplicates.pairs import Pairs
from emo8.engine import build_folder, database, malloc, placing, warm
from emo8.engine.database import Database
from emo8.engine.files import fingerprint
from emo8.engine.local import Engine, Task, make_engine
from emo8.engine.plan import Plan, changes, load_plan
from emo8.engine.progress import say, stage
from emo8.engine.steps import ROWS, PartTask, Step
from emo8.engine.trust import Trust
from emo8.engine.verdict_table import FailedPart
from emo8.labels import clip_steps
from emo8.pipeline import decide, forget, ingest, integrity, steps
from emo8.pipeline.verdicts import Verdicts
from emo8.publish import card_numbers
from emo8.publish.card import CardInput, write_card
from emo8.report import numbers, understood
from emo8.review import journal, votes
from emo8.review.final_labels import FinalLabels
from emo8.sources import cut
from emo8.sources.base import Chunk
from emo8.tables.thresholds import CHECKS
from emo8.web.build_fetch import Fetch
from emo8.web.img2dataset_run import Workers
from emo8.web.store import mark

logger = logging.getLogger(__name__)

DECIDE_VERSION = 9
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
        chunks = sources.plan(recipe, recipe_path.resolve().parent)
        with build_folder.writing(out), runner:
            return _Run(recipe, recipe_path, out, chunks, runner, retry_failed).run()


class _Run:
    """One run of a build: state shared by the stages below."""

    def __init__(
        self,
        recipe: Recipe,
        recipe_path: Path,
        out: Path,
        chunks: list[Chunk],
        engine: Engine,
        retry_failed: bool,
    ) -> None:
        self.recipe, self.out, self.chunks, self.engine = recipe, out, chunks, engine
        self.recipe_dir = recipe_path.resolve().parent
        outdated = clip_steps.outdated(build_folder.read_json(out / build_folder.RESOLVED) or {})
        self.resolved = steps.resolve(recipe, recipe_path, out)
        _warn_of_strange_words(recipe)
        self.steps = steps.part_steps(recipe, self.resolved, out)
        self.origins = self._origins()
        journal.settle(out)
        self.cast = votes.counted(votes.read_votes(out))
        self.removals = removal.learn(out)
        self.previous = load_plan(out)
        self.fetch = Fetch(
            build=out, chunks=chunks, config=recipe.fetch, max_bytes=recipe.ingest.max_bytes
        )
        if retry_failed:
            self.fetch.retry_failed()
        self.tries = ingest.tries(self.previous, chunks, out)
        self.plan = self._plan()
        self.plan.why |= {step: why for step, why in outdated.items() if step in self.plan.why}

    def run(self) -> BuildResult:
        trust, known = Trust(self.out), self.previous or self.plan
        self.damaged = integrity.mend(self.out, known, trust)
        if not self.damaged and self.previous is not None and self._complete():
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
        placing.arrange(self.out, self.plan.fingerprints, useful=self._useful())
        forget.undo(self.out, self.plan, self.removals)
        if any(step.wants_gpu and self.plan.stale(self.out, step.name) for step in self.steps):
            warm.want(warm.MODEL)
        self._make_classifiers()
        self._ingest()
        self.plan.unread = ingest.still_unread(
            self.previous, self.ingested, chunks=self.chunks, build=self.out
        )
        self.plan.save(self.out)
        for step in self.steps:
            self._run_stage(step.name, self._step_task(step))
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

    # --- what is asked for -------------------------------------------------------------------

    def _origins(self) -> dict[str, str]:
        """By table the fingerprint of how its results are made, whatever the rows."""
        origins = {ROWS: ""}
        for step in self.steps:
            origins[step.name] = step.fingerprint(origins)
        return origins

    def _plan(self) -> Plan:
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
        plan.decision = self._decision(plan)
        plan.why = changes(self.previous, plan, {step.name: [*step.reads] for step in self.steps})
        return plan

    def _decision(self, plan: Plan) -> str:
        """The fingerprint of everything that the verdicts depend on."""
        recipe = self.recipe
        configs = (recipe.decide, recipe.leaks, recipe.splits, recipe.publish, recipe.votes)
        options: list[Any] = [dataclasses.asdict(item) for item in configs]
        options += [(check.reason, check.column, check.below) for check in CHECKS]
        options += leaks.check_files(self.recipe_dir, recipe.leaks.files)
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

    def _complete(self) -> bool:
        """Whether the last run finished exactly this plan and its dataset is still there."""
        before = self.previous
        return (
            before is not None
            and before.decision == self.plan.decision
            and not before.failed
            and before.unread == {}
            and before.dataset == write.dataset_fingerprint(self.out)
            and not any(self.plan.stale(self.out, step) for step in self.plan.fingerprints)
        )

    # --- part by part ------------------------------------------------------------------------

    def _useful(self) -> list[str]:
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

    def _make_classifiers(self) -> None:
        """Embed the prompts, unless a run before has: first of all, for it may be refused."""
        task = self.resolved.classifier_task(self.out)
        if task.path.exists():
            return
        for outcome in self.engine.run([task]):
            if outcome.error:
                raise BuildError(f"embedding the prompts failed: {outcome.error}")

    def _ingest(self) -> None:
        """Write the stale parts of rows/: links window by window, everything else at once."""
        stale = self.plan.stale(self.out, ROWS)
        self.plan.reused[ROWS] = len(self.chunks) - len(stale)
        self.ingested = set(stale)
        links = [part for part in stale if self.chunks[part].source.kind == "urls"]
        here = [self._ingest_task(part) for part in stale if part not in set(links)]
        if here:
            self._run_tasks(ROWS, here)
        distributor, address = self.engine.distributor() if links else ("", "")
        crew = Workers(
            processes=self.engine.workers or os.cpu_count() or 1,
            distributor=distributor,
            ray_address=address,
        )
        for parts, error in self.fetch.windows(links, crew):
            if error:
                self.plan.failed.setdefault(ROWS, {}).update({str(p): error for p in parts})
                self.plan.save(self.out)
            else:
                self._run_tasks(ROWS, [self._ingest_task(part) for part in parts])
                self.fetch.forget()

    def _ingest_task(self, part: int) -> Task:
        task = ingest.IngestTask(
            chunk=self.chunks[part],
            max_bytes=self.recipe.ingest.max_bytes,
            build=self.out,
            part=part,
            fingerprint=self.plan.fingerprints[ROWS][part],
        )
        if self.chunks[part].source.kind != "urls":
            return task
        notes = mark(self.fetch.policy(part), self.fetch.round(part))
        return dataclasses.replace(task, found=self.fetch.found(part), notes=notes)

    def _step_task(self, step: Step) -> Callable[[int], Task]:
        marks = self.plan.fingerprints[step.name]
        return lambda part: PartTask(
            step=step,
            build=self.out,
            part=part,
            fingerprint=marks[part],
            origin=self.origins[step.name],
        )

    def _run_stage(self, name: str, make_task: Callable[[int], Task]) -> None:
        """Run one step over its stale parts; parts that failed before are left out."""
        stale = self.plan.stale(self.out, name)
        self.plan.reused[name] = len(self.chunks) - len(stale)
        self.plan.rows_redone[name] = 0
        out_of_reach = self.plan.failed_parts()
        tasks = [make_task(part) for part in stale if part not in out_of_reach]
        if tasks:
            self._run_tasks(name, tasks)

    def _run_tasks(self, name: str, tasks: list[Task]) -> None:
        rows = sum(self._num_rows(task) for task in tasks)
        with stage(name, len(tasks), total_rows=rows, live=self.engine.live_rows) as counter:
            for outcome in self.engine.run(tasks):
                counter.advance(1, outcome.num_rows, outcome.node)
                if isinstance(outcome.task, PartTask) and not outcome.error:
                    self.plan.rows_redone[name] += outcome.num_rows
                    self.plan.reused[name] += not outcome.num_rows
                if outcome.error:
                    failures = self.plan.failed.setdefault(name, {})
                    failures[str(outcome.task.part)] = outcome.error
                    self.plan.save(self.out)

    def _num_rows(self, task: Task) -> int:
        """How many rows a task works on; those of a shard are known before it is written."""
        if isinstance(task, write.ShardTask):
            return task.num_rows
        return self.chunks[task.part].num_inputs

    # --- over all parts ----------------------------------------------------------------------

    def _decide(self, db: Database) -> None:
        """Write the verdicts on all inputs, with their splits."""
        failed = self.plan.failed_parts()
        parts = [part for part in range(len(self.chunks)) if part not in failed]
        pairs = self._pairs(parts)
        if parts:
            pairs.compare(db)
        Verdicts(
            recipe=self.recipe,
            recipe_dir=self.recipe_dir,
            decider=decide.Decider(
                config=self.recipe.decide,
                removals=self.removals,
                seed=self.recipe.seed,
                claims=FinalLabels(
                    labels=self.recipe.labels,
                    votes=self.recipe.votes,
                    cast=self.cast,
                    calibrations=self.resolved.calibrations,
                ),
            ),
            leaks=leaks.Leaks(
                config=self.recipe.leaks,
                recipe_dir=self.recipe_dir,
                build=self.out,
                model=self.resolved.models[0],
            ),
            copies=DuplicateSearch(config=self.recipe.decide, pairs=pairs.possible()),
            shard_of=self._shards(),
        ).write(db, parts, [self._failed(*item) for item in failed.items()], self.plan.decision)

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
        failed = self.plan.failed_parts()
        parts = [part for part in range(len(self.chunks)) if part not in failed]
        if not self.removals or not parts:
            return
        with self._database() as db:
            ids = forget.pictures(db, parts, self.removals, self.plan)
        forget.answers(self.out, ids)
        self.cast = votes.counted(votes.read_votes(self.out))
        self.plan.decision = self._decision(self.plan)
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
        failed = self.plan.failed_parts()
        parts = [part for part in range(len(self.chunks)) if part not in failed]
        return understood.of_build(self.out, parts, self._planned())

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
            self._run_tasks("dataset", list(tasks))
        write.remove_surplus(self.out)
        stats = numbers.statistics(self.out, [model.name for model in self.resolved.models])
        stats["agreement"] = card_numbers.agreement(self.out)
        stats["calibration"] = card_numbers.calibration(self.resolved.calibrations)
        stats["leaks"] = card_numbers.leaks(self.out, self.recipe.leaks, self.recipe_dir)
        stats["fetch"] = numbers.fetch_statistics(self.out, self.recipe)
        stats["understood"] = self.understood = self._understood()
        numbers.write_report(self.out, stats)
        name = self.recipe.name
        given = CardInput(name=name, repo=name, publish=self.recipe.publish, stats=stats)
        write_card(self.out / "dataset", given)
        if not self.plan.failed:
            self.plan.dataset = write.dataset_fingerprint(self.out)
        return dict(stats["funnel"])


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


def _import_ahead() -> None:
    """Import what the last stages need, while this process waits for its workers."""
    for name in ("datasets", "mlcroissant"):
        importlib.import_module(name)
