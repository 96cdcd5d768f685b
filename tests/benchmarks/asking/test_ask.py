"""`emo8-bench ask` against a server on loopback, and against a tiny random model."""

from __future__ import annotations

import base64
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from PIL import Image

from benchmarks import cli
from benchmarks.asking import models, prompts
from emo8.core.taxonomy import EMOTIONS
from tests.benchmarks.conftest import NAMES, face, write


class Server(BaseHTTPRequestHandler):
    """Answers with the last option, counts what it is asked, and fails when told to."""

    asked: ClassVar[list[dict]] = []
    statuses: ClassVar[list[int]] = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).asked.append({"body": body, "key": self.headers.get("Authorization")})
        status = type(self).statuses.pop(0) if type(self).statuses else 200
        text = body["messages"][0]["content"][1]["text"]
        word = text.split("people: ")[-1].split("?")[0].split(", ")[-1]
        reply = {
            "choices": [{"message": {"content": f'{{"answer": "{word}", "confidence": 0.75}}'}}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10},
        }
        raw = json.dumps(reply if status == 200 else {"error": "no"}).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint():
    Server.asked, Server.statuses = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture
def data(tmp_path):
    rows = [
        {"id": f"p{i}", "image": face(NAMES[i % 4], i), "emotion": NAMES[i % 4]} for i in range(6)
    ]
    return write(rows, tmp_path / "data.parquet")


def asked(data, endpoint, tmp_path, *more):
    argv = ["ask", "--model", "some-vlm", "--endpoint", endpoint, "--data", str(data)]
    return cli.main([*argv, "--out", str(tmp_path / "a.jsonl"), *more])


def test_ask__answers_that_score_reads_and_a_second_run_asks_nothing(
    data, endpoint, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("EMO8_API_KEY", "secret")
    more = ["--prompt", "confidence-1", "--repeats", "2", "--price", "1", "2"]
    assert asked(data, endpoint, tmp_path, *more) == 0
    assert "12 answers, 1200 tokens in, 120 out, cost 0.0014" in capsys.readouterr().out
    assert len(Server.asked) == 12 and Server.asked[0]["key"] == "Bearer secret"
    sent = Server.asked[0]["body"]["messages"][0]["content"][0]["image_url"]["url"]
    picture = Image.open(io.BytesIO(base64.b64decode(sent.split(",")[1])))
    assert picture.format == "JPEG" and picture.size == (24, 20)
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert "secret" not in (tmp_path / "a.jsonl").read_text()
    assert lines[0]["options"] == prompts.order(EMOTIONS, "p0", 0, 0)
    assert lines[6]["options"] == prompts.order(EMOTIONS, "p0", 1, 0)
    assert lines[0]["confidence"] == 0.75
    assert asked(data, endpoint, tmp_path, *more) == 0 and len(Server.asked) == 12
    out = tmp_path / "r.jsonl"
    argv = ["score", str(tmp_path / "a.jsonl"), "--data", str(data), "--out", str(out)]
    assert cli.main(argv) == 0
    metrics = json.loads(out.read_text())["metrics"]
    assert metrics["refused"] == metrics["off_vocabulary"] == 0 and metrics["coverage"] == 1
    assert metrics["position_bias"] == pytest.approx(0.875)  # it always says the last option
    assert metrics["ece"] is not None and "consistency" in metrics


def test_ask__cut_off_it_goes_on_and_a_busy_server_is_asked_again(data, endpoint, tmp_path, capsys):
    Server.statuses = [429, 200, 500]
    assert asked(data, endpoint, tmp_path, "--limit", "3") == 0
    out = tmp_path / "a.jsonl"
    assert len(out.read_text().splitlines()) == 3
    out.write_text(out.read_text()[:-20])  # killed while it wrote
    before = len(Server.asked)
    assert asked(data, endpoint, tmp_path, "--workers", "2") == 0
    ids = [json.loads(line)["id"] for line in out.read_text().splitlines()]
    assert ids == [f"p{i}" for i in range(6)] and len(Server.asked) == before + 4
    assert asked(data, endpoint, tmp_path, "--prompt", "letter-1") == 2
    assert "give another --out" in capsys.readouterr().err


def test_ask__a_question_that_is_refused_is_a_refusal_and_a_wrong_key_is_a_mistake(
    data, endpoint, tmp_path, monkeypatch, capsys
):
    Server.statuses = [400]
    assert asked(data, endpoint, tmp_path, "--limit", "2") == 0
    first = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])
    assert first["answer"] is None and "HTTP 400" in first["error"]
    Server.statuses = [401]
    assert asked(data, endpoint, tmp_path) == 2
    assert "key in EMO8_API_KEY" in capsys.readouterr().err
    monkeypatch.setattr(models, "TRIES", 1)
    Server.statuses = [503]
    assert asked(data, endpoint, tmp_path) == 1
    assert "1 questions have no answer yet" in capsys.readouterr().out


def test_ask__stops_when_the_money_is_spent(data, endpoint, tmp_path, capsys):
    more = ["--price", "1000", "0", "--max-cost", "0.25"]
    assert asked(data, endpoint, tmp_path, *more) == 1
    assert len(Server.asked) == 3  # 0.1 each
    assert "3 questions have no answer yet" in capsys.readouterr().out
    assert asked(data, endpoint, tmp_path, "--max-cost", "1") == 2


def test_prompts__every_question_offers_what_it_says(capsys):
    assert cli.main(["prompts"]) == 0
    assert "word-1" in capsys.readouterr().out
    letters = prompts.load("letter-1").text(["fear", "science_fiction"])
    assert "(a) fear\n(b) science fiction" in letters
    json_text = prompts.load("confidence-1").text(["fear"])
    assert '{"answer"' in json_text
    orders = {tuple(prompts.order(NAMES, f"p{i}", 0, 0)) for i in range(40)}
    assert len(orders) > 10  # of 24


def test_pace__no_faster_than_asked(monkeypatch):
    now, slept = [0.0], []
    monkeypatch.setattr(models.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(models.time, "sleep", slept.append)
    pace = models.Pace(120)
    for _ in range(3):
        pace.wait()
    assert slept == [0.0, 0.5, 1.0]


def test_local__a_tiny_random_model_answers(data, tmp_path):
    transformers = pytest.importorskip("transformers")
    from tests.benchmarks.asking.tiny_vlm import save

    folder = save(transformers, tmp_path / "vlm")
    argv = ["ask", "--model", f"hf:{folder}", "--data", str(data), "--limit", "2"]
    assert cli.main([*argv, "--out", str(tmp_path / "a.jsonl")]) == 0
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert len(lines) == 2 and all(line["tokens_in"] > 0 for line in lines)
