"""The `ray` engine: the same part tasks on a Ray cluster. The only importer of ray.

Actors keep what a step's `setup` loaded (a model) and take one task at a time, so a node that dies
takes one task per actor with it, and that task is tried again elsewhere. Steps that want a GPU get
actors that own one, where the cluster has any. Parts are files: every node must see the inputs and
the build under the same paths (docs/cluster.md).
"""

from __future__ import annotations

import logging
import socket
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from emo8.core import label_set
from emo8.core.errors import Emo8Error
from emo8.core.label_set import LabelSet
from emo8.engine.local import ATTEMPTS, PartOutcome, Task, run_task

logger = logging.getLogger(__name__)


class RayEngine:
    """Ray on this machine, or the running cluster at `address`."""

    def __init__(self, *, workers: int | None = None, address: str | None = None) -> None:
        self.workers, self.address = workers, address
        self.started = False

    def __enter__(self) -> RayEngine:
        import ray

        if ray.is_initialized():  # a program of the user's own: its cluster, and not ours to end
            return self
        options: dict[str, Any] = {"address": "local", "num_cpus": self.workers}
        if self.address:
            options = {"address": self.address}
        else:
            options["include_dashboard"] = False
        try:
            ray.init(logging_level=logging.ERROR, log_to_driver=False, **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise Emo8Error(
                f"--address {self.address}: no Ray cluster answers there ({error}); start one with "
                "`ray start --head`, or leave --address out to use this machine"
            ) from None
        self.started = True
        return self

    def distributor(self) -> tuple[str, str]:
        import ray

        return "ray", str(ray.get_runtime_context().gcs_address)

    def __exit__(self, *exception: object) -> None:
        if self.started:
            import ray

            ray.shutdown()

    def run(self, tasks: Iterable[Task]) -> Iterator[PartOutcome]:
        """Outcomes as they come; every actor is given the next task when it has done one."""
        waiting = deque((task, 1) for task in tasks)
        if not waiting:
            return
        crew = _Crew(waiting[0][0], self._num_actors(len(waiting)))
        try:
            while waiting or crew.busy:
                while waiting and crew.idle:
                    crew.give(*waiting.popleft())
                task, attempt, outcome = crew.wait()
                if outcome.error and attempt < ATTEMPTS:
                    waiting.append((task, attempt + 1))
                else:
                    yield outcome
        finally:  # also on Ctrl-C: tasks in flight end, the rest is left for the next run
            crew.dismiss()

    def live_rows(self) -> int:
        return 0  # it knows of whole parts

    def _num_actors(self, num_tasks: int) -> int:
        cores = _resource("CPU")
        return max(1, min(self.workers or cores, cores, num_tasks))


def connect(address: str) -> None:
    """Join the cluster of an engine from another process, which img2dataset then finds."""
    import ray

    ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)


def _resource(name: str) -> int:
    """How many of something the whole cluster has."""
    import ray

    resources: Any = ray.cluster_resources  # not typed
    return int(resources().get(name, 0))


class _Crew:
    """Actors, who of them is free, and what the others work on."""

    def __init__(self, first: Task, size: int) -> None:
        import ray

        wants_gpu = getattr(first, "wants_gpu", False)
        num_gpus = _resource("GPU") if wants_gpu else 0
        self.actor_class: Any = ray.remote(
            num_cpus=1, num_gpus=1 if num_gpus else 0, scheduling_strategy="SPREAD"
        )(_Worker)
        self.idle = [self._hire() for _ in range(min(size, num_gpus or size))]
        self.busy: dict[Any, tuple[Any, Task, int]] = {}  # ray's future -> actor, task, attempt

    def _hire(self) -> Any:
        return self.actor_class.remote(label_set.current())

    def give(self, task: Task, attempt: int) -> None:
        actor = self.idle.pop()
        self.busy[actor.run.remote(task)] = (actor, task, attempt)

    def wait(self) -> tuple[Task, int, PartOutcome]:
        """The next task to end, how often it was tried, and its outcome."""
        import ray

        (done,), _ = ray.wait(list(self.busy), num_returns=1)
        actor, task, attempt = self.busy.pop(done)
        try:
            num_rows, node = ray.get(done)
            outcome = PartOutcome(task=task, num_rows=num_rows, node=node)
        except ray.exceptions.RayActorError:
            actor = self._hire()  # on whatever node is left
            outcome = PartOutcome(task=task, error="its worker process or its node died")
        except ray.exceptions.RayTaskError as error:
            outcome = PartOutcome(task=task, error=f"{type(error.cause).__name__}: {error.cause}")
        if outcome.error:
            logger.warning("%s part %d: %s", task.table, task.part, outcome.error)
        self.idle.append(actor)
        return task, attempt, outcome

    def dismiss(self) -> None:
        import ray

        for actor in [*self.idle, *(actor for actor, _, _ in self.busy.values())]:
            ray.kill(actor)


class _Worker:
    """What runs inside an actor."""

    def __init__(self, labels: LabelSet) -> None:
        import ray

        label_set.work_with(labels)
        node = ray.get_runtime_context().get_node_id()
        self.node = f"{socket.gethostname()}/{node[:6]}"

    def run(self, task: Task) -> tuple[int, str]:
        return run_task(task), self.node
