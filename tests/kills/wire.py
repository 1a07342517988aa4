"""A wire between `tt` and the server that is cut, once, at a chosen moment of a command."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Literal

from tests.kills.daemons import Home
from tests.kills.trap import requests
from tests.store.steps import CHUNK, Cut
from tinytownd.home import Endpoint

#: The connection ends: with the command on it, which is lost; when the server has the command;
#: when the reply is announced, which is lost.
Moment = Literal["before", "after", "reply"]
ANNOUNCED = b"\r\nmessage\r\n"


class Wire(Cut):
    """Notes every command that comes along. `cut` is the moment that is still to come."""

    def __init__(self, home: Home, moment: Moment | None) -> None:
        self._file = home.path / "endpoint.json"
        self._told = json.loads(self._file.read_text())
        upstream = Endpoint(str(self._told["socket"]))
        super().__init__(upstream, home.base / "wire.sock")
        self.sent: list[dict[str, str]] = []
        self.cut = moment
        self.happened = asyncio.Event()

    async def __aenter__(self) -> Wire:
        await super().__aenter__()
        self._file.write_text(json.dumps({**self._told, "socket": self.endpoint.socket}))
        return self

    async def __aexit__(self, *error: object) -> None:
        self._file.write_text(json.dumps(self._told))
        await super().__aexit__(*error)
        Path(str(self.endpoint.socket)).unlink()

    async def _forward(self, reader: Any, outer: Any, doomed: asyncio.Event) -> None:
        while data := await reader.read(CHUNK):
            entries = [words for words in requests(data) if words[0] == b"XADD"]
            for words in entries:
                told = [word.decode() for word in words[3:]]
                self.sent.append({"stream": words[1].decode(), **_pairs(told)})
            if entries and self._comes("before"):
                return
            outer.write(data)
            if entries and self._comes("after"):
                await outer.drain()
                return

    async def _back(self, inner: Any, writer: Any, doomed: asyncio.Event) -> None:
        while data := await inner.read(CHUNK):
            if ANNOUNCED in data and self._comes("reply"):
                return
            writer.write(data)

    def _comes(self, moment: Moment) -> bool:
        """Whether it is to be cut now."""
        if self.cut != moment:
            return False
        self.cut = None
        self.cuts += 1
        self.happened.set()
        return True


def _pairs(words: list[str]) -> dict[str, str]:
    return dict(zip(words[::2], words[1::2], strict=True))
