"""A language model fills in a form: what it may say, what is refused, and that the lexicon counts as well."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sparring.commands.solving.reading import read_text
from sparring.commands.solving.stated import Overrides, state
from sparring.commands.solving.task import Unclear
from sparring.commands.solving.translator import check_form, translate
from sparring.engine.errors import SparringError

EMPTY = {
    "kind": "unclear",
    "target": None,
    "minutes": None,
    "labels": None,
    "eps": None,
    "private": None,
    "count": None,
}
HARD = "which coins in coins/ are forged? you have two hours"


def form(**fields: Any) -> str:
    return json.dumps({**EMPTY, **fields})


class Model:
    """A server that gives these answers, in turn, and keeps what it was sent."""

    def __init__(self, *answers: str | bytes) -> None:
        self.answers, self.requests = list(answers), list[dict[str, Any]]()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append({"path": self.path, "key": self.headers["Authorization"], **json.loads(body)})
                answer = outer.answers.pop(0)
                content = answer if isinstance(answer, bytes) else _chat(answer)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()


def _chat(answer: str) -> bytes:
    return json.dumps({"choices": [{"message": {"content": answer}}]}).encode()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    server = Model()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.http.server_port}/v1/")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    yield server
    server.http.shutdown()
    server.http.server_close()
    server.thread.join()


def test_it_completes_what_the_lexicon_does_not_read(model: Model) -> None:
    with pytest.raises(Unclear):
        state(read_text(HARD), Overrides())
    model.answers = [form(kind="outliers", minutes=120)]
    reading, note = translate(HARD, read_text(HARD), "some-model")
    stated = state(reading, Overrides())
    assert stated.kind is not None and stated.kind.value == "outliers" and stated.source.value == "coins/"
    assert stated.quantities["minutes"].value == 120 and "some-model filled in" in note
    (sent,) = model.requests
    assert sent["path"] == "/v1/chat/completions" and sent["key"] == "Bearer secret" and sent["model"] == "some-model"
    assert [message["content"] for message in sent["messages"]][1] == HARD
    assert sent["response_format"]["json_schema"]["schema"]["properties"]["kind"]["enum"][-1] == "unclear"


def test_a_form_that_does_not_hold_is_repaired_once_then_left(model: Model) -> None:
    model.answers = ["sure! here it is", form(kind="outliers")]
    reading, _ = translate(HARD, read_text(HARD), "m")
    assert list(reading.kinds) == ["outliers"]
    assert "this is no JSON" in model.requests[1]["messages"][-1]["content"]
    model.answers = ["no", "no"]
    reading, note = translate(HARD, read_text(HARD), "m")
    assert reading == read_text(HARD) and "read without it" in note


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (form(kind="delete"), "kind must be one of"),
        (form(kind="classify", command="rm -rf /"), "other fields"),
        (form(kind="classify", minutes=999), "minutes must be a number of the text"),
        (form(kind="classify", labels=True), "labels must be"),
        (form(kind="classify", eps="0.3"), "eps must be"),
        (form(kind="classify", target="salary"), "target must be words of the text"),
        (json.dumps([1]), "other fields"),
    ],
)
def test_what_a_form_must_not_say(answer: str, problem: str) -> None:
    checked, message = check_form(answer, "classify coins/ in 2 hours")
    assert checked is None and problem in message


def test_a_model_that_contradicts_the_text_makes_a_question(model: Model) -> None:
    text = "generate new coins like coins/"
    model.answers = [form(kind="attack")]
    reading, _ = translate(text, read_text(text), "m")
    with pytest.raises(Unclear, match="more than one task"):
        state(reading, Overrides())


def test_servers_that_fail_are_named(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    model.answers = [b"<html>502</html>"]
    with pytest.raises(SparringError, match="gives no answer of a chat: check OPENAI_BASE_URL"):
        translate(HARD, read_text(HARD), "m")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(SparringError, match="cannot be reached"):
        translate(HARD, read_text(HARD), "m")
    monkeypatch.delenv("OPENAI_BASE_URL")
    with pytest.raises(SparringError, match="--llm-model needs the address of a server"):
        translate(HARD, read_text(HARD), "m")
