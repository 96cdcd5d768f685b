"""Part by part: the stale parts of `rows/` and of every step, worked on by an engine."""

from __future__ import annotations

import dataclasses
import os

from emo8.core.errors import BuildError
from emo8.dataset import write
from emo8.engine.local import Engine, Task
from emo8.engine.plan import Plan
from emo8.engine.progress import stage
from emo8.engine.steps import ROWS, PartTask, Step
from emo8.pipeline import ingest
from emo8.pipeline.planning import Planner
from emo8.web.img2dataset_run import Workers
from emo8.web.store import mark


class PartRunner:
    """Runs what the plan asks for, and writes into it what happened."""

    def __init__(self, planner: Planner, plan: Plan, engine: Engine) -> None:
        self.planner, self.plan, self.engine = planner, plan, engine
        self.chunks, self.out = planner.chunks, planner.out

    def make_classifiers(self) -> None:
        """Embed the prompts, unless a run before has: first of all, for it may be refused."""
        task = self.planner.resolved.classifier_task(self.out)
        if task.path.exists():
            return
        for outcome in self.engine.run([task]):
            if outcome.error:
                raise BuildError(f"embedding the prompts failed: {outcome.error}")

    def ingest(self) -> set[int]:
        """Write the stale parts of rows/ and return them: links by windows, all else at once."""
        stale = self.plan.stale(self.out, ROWS)
        self.plan.reused[ROWS] = len(self.chunks) - len(stale)
        links = [part for part in stale if self.chunks[part].source.kind == "urls"]
        here = [self._ingest_task(part) for part in stale if part not in set(links)]
        if here:
            self.run_tasks(ROWS, here)
        distributor, address = self.engine.distributor() if links else ("", "")
        crew = Workers(
            processes=self.engine.workers or os.cpu_count() or 1,
            distributor=distributor,
            ray_address=address,
        )
        for parts, error in self.planner.fetch.windows(links, crew):
            if error:
                self.plan.failed.setdefault(ROWS, {}).update({str(p): error for p in parts})
                self.plan.save(self.out)
            else:
                self.run_tasks(ROWS, [self._ingest_task(part) for part in parts])
                self.planner.fetch.forget()
        return set(stale)

    def _ingest_task(self, part: int) -> Task:
        task = ingest.IngestTask(
            chunk=self.chunks[part],
            max_bytes=self.planner.recipe.ingest.max_bytes,
            build=self.out,
            part=part,
            fingerprint=self.plan.fingerprints[ROWS][part],
        )
        if self.chunks[part].source.kind != "urls":
            return task
        notes = mark(self.planner.fetch.policy(part), self.planner.fetch.round(part))
        return dataclasses.replace(task, found=self.planner.fetch.found(part), notes=notes)

    def run_step(self, step: Step) -> None:
        """Run one step over its stale parts; parts that failed before are left out."""
        stale, marks = self.plan.stale(self.out, step.name), self.plan.fingerprints[step.name]
        self.plan.reused[step.name] = len(self.chunks) - len(stale)
        self.plan.rows_redone[step.name] = 0
        out_of_reach = self.plan.failed_parts()
        origin = self.planner.origins[step.name]
        tasks: list[Task] = [
            PartTask(step=step, build=self.out, part=part, fingerprint=marks[part], origin=origin)
            for part in stale
            if part not in out_of_reach
        ]
        if tasks:
            self.run_tasks(step.name, tasks)

    def run_tasks(self, name: str, tasks: list[Task]) -> None:
        """Run tasks of one stage on the engine; a failed one is counted, not raised."""
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
