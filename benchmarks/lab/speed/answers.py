"""Scoring answers and measuring what people reach, against plain loops of numpy and scipy.

    python -m benchmarks.lab.speed.answers --answers 100000 --pictures 10000 --votes 20 --out F.json

The loops do the same work the obvious way: every resample draws rows, takes them, and computes the
metrics with scikit-learn and numpy; every picture's votes are shuffled and counted one by one.
They are run on a part (`--peer-resamples`, `--peer-pictures`) and their time is scaled up.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.adapters.base import LabelledRows
from benchmarks.answers import score
from benchmarks.answers.files import Answer, AnswerTable
from benchmarks.lab.output import tell
from benchmarks.people import ceiling, crowds
from benchmarks.people.truth import Truth
from benchmarks.people.votes import Votes
from emo8.core.stats import calibration_error
from emo8.core.taxonomy import EMOTIONS

RESAMPLES = 1000
FITS = 90  # steps of the search for the model of crowds, about what ours takes
Array = npt.NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--answers", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--votes", type=int, default=20)
    parser.add_argument("--peer-resamples", type=int, default=20)
    parser.add_argument("--peer-pictures", type=int, default=200)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    found = {
        "scoring": scoring(arguments.answers, arguments.peer_resamples),
        "ceiling": people(arguments.pictures, arguments.votes, arguments.peer_pictures),
    }
    tell(found, arguments.out)
    return 0


def scoring(rows: int, peer_resamples: int) -> dict[str, Any]:
    """Seconds and memory of scoring, and seconds of the loop over all resamples."""
    truth, table = made_up(rows)
    before = _peak_mb()
    cpu, _ = _timed(lambda: score.score(table, truth, model="made up", resamples=RESAMPLES))
    true, said, sure = _plain(truth, table)
    peer, _ = _timed(lambda: loop(true, said, sure, peer_resamples))
    peer *= RESAMPLES / peer_resamples
    return {
        "answers": rows,
        "resamples": RESAMPLES,
        "cpu_s": round(cpu, 3),
        "peak_mb": round(_peak_mb(), 1),
        "grew_mb": round(_peak_mb() - before, 1),
        "loop_cpu_s": round(peer, 1),
        "times_loop": round(peer / cpu, 1),
    }


def people(pictures: int, votes: int, peer_pictures: int) -> dict[str, Any]:
    """The same for what people reach."""
    rng = np.random.default_rng(0)
    counts = rng.multinomial(votes, rng.dirichlet(np.full(8, 0.4), pictures))
    own = Votes(origin="made up", names=EMOTIONS, counts=counts)
    cpu, _ = _timed(lambda: ceiling.measure(own, resamples=RESAMPLES))
    peer, _ = _timed(lambda: people_loop(counts[:peer_pictures]))
    peer *= pictures / peer_pictures
    return {
        "pictures": pictures,
        "votes": votes,
        "resamples": RESAMPLES,
        "cpu_s": round(cpu, 3),
        "loop_cpu_s": round(peer, 1),
        "times_loop": round(peer / cpu, 1),
    }


def made_up(rows: int) -> tuple[Truth, AnswerTable]:
    """A truth of eight labels, and answers of which about half are right, one in twenty refused."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 8, rows)
    said = np.where(rng.random(rows) < 0.5, label, rng.integers(0, 8, rows))
    sure = rng.beta(4, 2, rows).round(4)
    ids = [f"p{i}" for i in range(rows)]
    answers = [
        Answer(
            place=i, key=ids[i], confidence=float(sure[i]),
            answer="I cannot tell." if i % 20 == 0 else f"It shows {EMOTIONS[said[i]]}.",
        )
        for i in range(rows)
    ]  # fmt: skip
    names: list[str | None] = [EMOTIONS[k] for k in label]
    data = LabelledRows(
        name="made up", origin="made up", emotion=names, rule=["human"] * rows,
        split=[None] * rows, images=lambda wanted: [None] * len(wanted),
        column=lambda name: list(ids), column_names=("id",),
    )  # fmt: skip
    truth = Truth(
        rows=data, index=np.arange(rows), ids=ids, names=EMOTIONS, label=label, left_out={},
        votes=None,
    )  # fmt: skip
    return truth, AnswerTable(path=Path("made up"), sha256="", answers=answers, notes=())


def _plain(
    truth: Truth, table: AnswerTable
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Array]:
    """Labels and answers as numbers (8 = refused), and confidences: the loop need read no text."""
    numbers = {name: k for k, name in enumerate(EMOTIONS)}
    said = [numbers.get(str(a.answer).split()[-1].strip("."), 8) for a in table.answers]
    sure = [a.confidence or 0.0 for a in table.answers]
    return truth.label, np.array(said), np.array(sure)


def loop(
    true: npt.NDArray[np.int64], said: npt.NDArray[np.int64], sure: Array, resamples: int
) -> list[tuple[float, ...]]:
    """All metrics of every resample, as one would write it down."""
    from sklearn.metrics import accuracy_score, brier_score_loss, f1_score, roc_auc_score

    rng = np.random.default_rng(0)
    found = []
    for _ in range(resamples):
        rows = rng.integers(0, len(true), len(true))
        t, s, c = true[rows], said[rows], sure[rows]
        right = (t == s).astype(int)
        order = np.argsort(-c)
        risk = (1 - right[order]).cumsum() / np.arange(1, len(c) + 1)
        found.append(
            (
                accuracy_score(t, s),
                f1_score(t, s, labels=np.arange(8), average="macro", zero_division=0),
                brier_score_loss(right, c),
                calibration_error(c, right),
                roc_auc_score(right, c),
                risk.mean(),
            )
        )
    return found


def people_loop(counts: npt.NDArray[np.int64]) -> list[float]:
    """All of it picture by picture: agreements, the model of crowds, its posterior, resamples."""
    rng = np.random.default_rng(0)
    fitted = crowds.fit(counts)
    found = []
    for line in counts:
        for _ in range(FITS):  # what one step of the search costs, for each picture
            likelihood(line, fitted)
        lean = rng.choice(len(line), crowds.DRAWS, p=fitted.leaning(line[None])[0])
        for toward in lean:
            shape = line + fitted.base + fitted.lean * np.eye(len(line))[toward]
            found.append(float(rng.dirichlet(shape).argmax() == line.argmax()))
        votes = np.repeat(np.arange(len(line)), line)
        for _ in range(ceiling.SHUFFLES):
            rng.shuffle(votes)
            for m in range(1, len(votes)):
                tally = np.bincount(votes[:m], minlength=len(line))
                best = np.flatnonzero(tally == tally.max())
                found.append(float(votes[m] in best) / len(best))
            half = len(votes) // 2
            tallies = [np.bincount(v, minlength=len(line)) for v in (votes[:half], votes[half:])]
            found.append(float(tallies[0].argmax() == tallies[1].argmax()))
    values = np.array(found[: len(counts)])
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(RESAMPLES)]
    return [*found, *means]


def likelihood(line: npt.NDArray[np.int64], fitted: crowds.Crowds) -> float:
    """Log likelihood of one picture's votes under the model of `crowds`."""
    from scipy.special import gammaln, logsumexp

    logs = []
    for label, share in enumerate(fitted.share):
        a = fitted.base.copy()
        a[label] += fitted.lean
        value = gammaln(a.sum()) - gammaln(line.sum() + a.sum())
        logs.append(np.log(share) + value + (gammaln(line + a) - gammaln(a)).sum())
    return float(logsumexp(logs))


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, and what it returned."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    raise SystemExit(main())
