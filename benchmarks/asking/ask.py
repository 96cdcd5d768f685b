"""Every picture of a dataset put to a model, the answers one line each, to be gone on with.

A line has id, repeat, options, answer, and confidence where the reply states one (what `emo8-bench
score` reads), and prompt, model, tokens_in, tokens_out, error. An asking that stands in the file is
not put again; one without a reply is not written, so that the same command asks it anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.asking import prompts
from benchmarks.asking.models import Asked, Pace, Reply, Unanswered
from benchmarks.asking.prompts import Prompt
from benchmarks.features.features import Progress
from benchmarks.people.truth import Truth
from emo8.core.errors import Emo8Error

SIDE_PX = 1024  # longer side at most; what is sent is a JPEG without metadata
_STATED = re.compile(r'"confidence"\s*:\s*(\d*\.?\d+)')


@dataclass(frozen=True, kw_only=True)
class AskConfig:
    """How a dataset is put to a model."""

    prompt: str = prompts.DEFAULT
    repeats: int = 1  # askings of each picture, each with another order of the options
    seed: int = 0
    per_minute: float = 0.0  # questions; 0 = as fast as they are answered
    workers: int = 1  # questions at once
    price: tuple[float, float] = (0.0, 0.0)  # of a million tokens in, out
    max_cost: float = 0.0  # stop when it is spent; 0 = no limit


@dataclass(kw_only=True)
class Bill:
    """What was asked so far, all runs of the file together."""

    answered: int = 0
    unanswered: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def add(self, line: dict[str, Any]) -> None:
        self.answered += 1
        self.tokens_in += int(line.get("tokens_in") or 0)
        self.tokens_out += int(line.get("tokens_out") or 0)

    def cost(self, price: tuple[float, float]) -> float:
        """In the currency of the price."""
        return (self.tokens_in * price[0] + self.tokens_out * price[1]) / 1e6


@dataclass(frozen=True, kw_only=True)
class _Question:
    """One asking."""

    row: int  # among the rows of the truth
    id: str
    repeat: int
    options: list[str]


def ask(
    model: Asked, truth: Truth, config: AskConfig, out: Path, progress: Progress | None = None
) -> Bill:
    """Put what the file lacks, append the answers in order, and say what it came to."""
    prompt = prompts.load(config.prompt)
    bill, done = _so_far(out, model.name, prompt.name)
    todo = [
        _Question(row=row, id=key, repeat=repeat,
                  options=prompts.order(truth.names, key, repeat, config.seed))
        for repeat in range(config.repeats)
        for row, key in enumerate(truth.ids)
        if (key, repeat) not in done
    ]  # fmt: skip
    pace = Pace(config.per_minute)

    def put(question: _Question) -> dict[str, Any] | None:
        pace.wait()
        try:
            return _asked(model, truth, prompt, question)
        except Unanswered:
            return None

    with ThreadPoolExecutor(max_workers=config.workers) as pool:
        waiting = iter(todo)
        count = 0
        while chunk := list(islice(waiting, config.workers)):
            lines = list(pool.map(put, chunk))
            _append(out, [line for line in lines if line is not None])
            for line in lines:
                count += 1
                if line is None:
                    bill.unanswered += 1
                else:
                    bill.add(line)
            if progress:
                progress(f"asking {model.name}", count, len(todo))
            if config.max_cost and bill.cost(config.price) >= config.max_cost:
                bill.unanswered += len(todo) - count
                break
    return bill


def _asked(model: Asked, truth: Truth, prompt: Prompt, question: _Question) -> dict[str, Any]:
    picture = _jpeg(truth, question.row)
    reply = Reply(text=None, error="the picture could not be decoded")
    if picture is not None:
        reply = model.ask(picture, prompt.text(question.options), prompt.max_tokens)
    line: dict[str, Any] = {
        "id": question.id,
        "repeat": question.repeat,
        "answer": reply.text,
        "options": question.options if prompt.options != "none" else [],
        "prompt": prompt.name,
        "model": model.name,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
    }
    stated = _STATED.search(reply.text or "")
    if stated:
        line["confidence"] = float(stated.group(1))
    if reply.error:
        line["error"] = reply.error[:300]
    return line


def _jpeg(truth: Truth, row: int) -> bytes | None:
    """The picture upright and not too large, as a JPEG; None where it does not decode."""
    import io

    from PIL import Image

    from benchmarks.features.features import decode_view

    place = int(truth.index[row])
    pixels = decode_view(truth.rows.images([place])[0], truth.rows, place, "scene")
    if isinstance(pixels, str):
        return None
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95)
    return out.getvalue()


def _so_far(out: Path, model: str, prompt: str) -> tuple[Bill, set[tuple[str, int]]]:
    """What stands in the file; a last line that was cut off is taken away."""
    bill, done = Bill(), set[tuple[str, int]]()
    if not out.is_file():
        return bill, done
    kept = list(_whole_lines(out))
    for number, line in enumerate(kept, start=1):
        if (line.get("model"), line.get("prompt")) != (model, prompt):
            raise Emo8Error(
                f"{out}, line {number} is an answer of {line.get('model')} to "
                f"{line.get('prompt')}, not of {model} to {prompt}: give another --out."
            )
        done.add((str(line["id"]), int(line["repeat"])))
        bill.add(line)
    return bill, done


def _whole_lines(out: Path) -> Iterator[dict[str, Any]]:
    text = out.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        out.write_text(whole, "utf-8")
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            found = json.loads(line)
            yield {**found, "id": found["id"], "repeat": found["repeat"]}
        except (ValueError, KeyError, TypeError) as error:
            raise Emo8Error(f"{out}, line {number} is not a line of `emo8-bench ask`.") from error


def _append(out: Path, lines: Sequence[dict[str, Any]]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a", encoding="utf-8") as file:
        file.write(text)
