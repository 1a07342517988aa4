"""A loopback HTTP server that plays the Messages and the Responses API for real agent CLIs.

It has no script: every tool call is derived from the request that came in (`conversation.decide`).
What goes wrong is queued beforehand: the next requests fail with a status, or are left unanswered.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.real import sse
from tests.real.conversation import Api, Turn, decide, last_prompt, read_turns

MODEL_PATHS: dict[str, Api] = {"/v1/messages": "messages", "/v1/responses": "responses"}
SECRET_HEADERS = {"authorization", "x-api-key", "cookie"}
HANG = 0


@dataclass(frozen=True)
class Request:
    """One request as it came in; `at` is in seconds since the epoch, secrets are left out."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def api(self) -> Api | None:
        """The API that it asks for an answer; None for everything that CLIs ask beside it."""
        return MODEL_PATHS.get(self.path) if self.method == "POST" else None

    @property
    def turns(self) -> list[Turn]:
        """The conversation that it carries."""
        return read_turns(self.api, self.body) if self.api else []

    @property
    def prompt(self) -> str:
        """The last prompt in it."""
        return last_prompt(self.turns)


@dataclass
class Trouble:
    """What is done to the next requests: an HTTP failure, or HANG for no answer."""

    status: int
    left: int
    containing: str
    retry_after_s: int | None = None
    resets_at: int | None = None


@dataclass
class Played:
    """The log of requests and the queue of troubles, shared by the server's threads."""

    requests: list[Request] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    released: threading.Event = field(default_factory=threading.Event)

    def record(self, request: Request) -> Trouble | None:
        """Log a request; return the trouble that it runs into and use it up by one."""
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
            if request.api is None:
                return None
            for trouble in self.troubles:
                if trouble.left and trouble.containing in request.prompt:
                    trouble.left -= 1
                    return trouble
        return None


class ModelApi:
    """The server: a context manager; `url` is http://127.0.0.1:PORT, on a free port."""

    def __init__(self) -> None:
        self._played = Played()
        self._server = _Server(self._played)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """The base address, without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> list[Request]:
        """Every request so far, oldest first."""
        with self._played.changed:
            return list(self._played.requests)

    @property
    def model_requests(self) -> list[Request]:
        """The requests that asked the model for an answer."""
        return [request for request in self.requests if request.api]

    def fail_next(
        self,
        status: int,
        times: int = 1,
        *,
        retry_after_s: int | None = None,
        resets_at: int | None = None,
        containing: str = "",
    ) -> None:
        """Answer the next model requests whose prompt contains a text with an HTTP failure.

        `retry_after_s` and `resets_at` (seconds since the epoch) are told as the APIs tell them.
        """
        self._queue(Trouble(status, times, containing, retry_after_s, resets_at))

    def hang_next(self, times: int = 1, *, containing: str = "") -> None:
        """Do not answer the next model requests whose prompt contains a text before `be_well`."""
        self._played.released.clear()
        self._queue(Trouble(HANG, times, containing))

    def be_well(self) -> None:
        """Forget the queued troubles that are left, and answer the requests that hang."""
        with self._played.changed:
            self._played.troubles.clear()
        self._played.released.set()

    def _queue(self, trouble: Trouble) -> None:
        with self._played.changed:
            self._played.troubles.append(trouble)

    def wait_until(self, true: Callable[[ModelApi], bool], timeout_s: float = 30) -> None:
        """Wait for a condition that is looked at again after every request.

        Raises TimeoutError when it did not come true in time.
        """
        with self._played.changed:
            if not self._played.changed.wait_for(lambda: true(self), timeout_s):
                raise TimeoutError(f"{len(self.requests)} requests came in {timeout_s} s")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._played.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    # Connections that a CLI keeps open must not keep the tests from ending.
    daemon_threads = True

    def __init__(self, played: Played) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.played = played


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # A kept-alive connection that stays silent this long is closed.
    timeout = 60

    def do_GET(self) -> None:
        """Nothing is served; an empty object is polite enough for every probe."""
        self._answer()

    do_HEAD = do_GET  # noqa: N815 - the name is the base class's

    def do_POST(self) -> None:
        """A request to the model, a count of tokens, or some probe."""
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Be silent: the log is `requests`."""

    def _answer(self) -> None:
        request = self._read()
        trouble = self.server.played.record(request)
        if trouble and trouble.status == HANG:
            self.server.played.released.wait()
            trouble = None
        try:
            self._reply(request, trouble)
        except (BrokenPipeError, ConnectionResetError):
            # The CLI was killed or interrupted while it waited.
            self.close_connection = True

    def _reply(self, request: Request, trouble: Trouble | None) -> None:
        api = request.api
        if trouble and api:
            body, headers = sse.failure(
                api, trouble.status, trouble.retry_after_s, trouble.resets_at
            )
            self._send(body, trouble.status, headers)
        elif api:
            answer = decide(api, request.body)
            body = sse.encode(api, answer, str(request.body.get("model", "")))
            self._send(body, 200, {"content-type": "text/event-stream"})
        elif request.path.endswith("/count_tokens"):
            self._send(json.dumps({"input_tokens": sse.INPUT_TOKENS}).encode())
        else:
            self._send(b"{}")

    def _read(self) -> Request:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            body = json.loads(raw)
        except ValueError:
            body = {}
        headers = {
            name.lower(): value
            for name, value in self.headers.items()
            if name.lower() not in SECRET_HEADERS
        }
        path = self.path.partition("?")[0]
        return Request(time.time(), self.command, path, headers, body)

    def _send(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
