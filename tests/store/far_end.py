"""The far end of a socket, played: a server that does what no real one would on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tinytownd.home import Endpoint
from tinytownd.store.client import Client

Connect = Callable[[Endpoint], Client]


async def serve(path: Path, answer: Callable[[bytes], bytes]) -> asyncio.Server:
    """Answers each command by its name; b"" hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            parts = []
            for _ in range(int(head[1:])):
                await reader.readline()
                parts.append((await reader.readline()).strip())
            reply = answer(parts[0].upper())
            if not reply:
                break
            writer.write(reply)
        writer.close()

    return await asyncio.start_unix_server(talk, path)
