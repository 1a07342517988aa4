"""Rounds of shell scripts for the tests of processes."""

import asyncio
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from tinytownd.runtimes.alive import TOKEN_VARIABLE
from tinytownd.runtimes.catalogue import Invocation
from tinytownd.runtimes.process import RoundProcess, open_files, spawn
from tinytownd.runtimes.roundfiles import RoundFiles


async def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


def is_alive(pid: int) -> bool:
    """Zombies do not count: who is to reap them is not ours to choose."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Rounds:
    """Starts rounds of shell scripts in a directory, and ends what is left of them."""

    def __init__(self, directory: Path) -> None:
        self.cwd = directory
        self.files = RoundFiles(directory / "round")
        self.token = uuid.uuid4().hex
        self.env = {"PATH": os.environ["PATH"], TOKEN_VARIABLE: self.token}
        self.started: list[RoundProcess] = []

    def argv(self, *argv: str) -> RoundProcess:
        with open_files(self.files) as opened:
            process = spawn(opened, Invocation(argv), cwd=self.cwd, env=self.env)
        self.started.append(process)
        return process

    def script(self, text: str) -> RoundProcess:
        return self.argv("/bin/sh", "-c", text)

    async def written(self, name: str) -> str:
        """The line that the script wrote into that file, once it is there."""
        file = self.cwd / name
        await wait_until(lambda: file.exists() and file.read_text().endswith("\n"))
        return file.read_text().strip()
