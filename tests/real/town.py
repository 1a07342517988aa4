"""A town whose agents are real: its own home and daemon, and the real `tt`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.real import clis
from tests.real.model_api import ModelApi

TT = Path(sys.executable).with_name("tt")
COMMAND_LIMIT_S = 120
WAIT_LIMIT_S = 60
# How long what was ended may take to be gone.
ENDING_LIMIT_S = 5


@dataclass(frozen=True)
class RealTown:
    """A directory with a town in it, and the environment of the person who works there."""

    directory: Path
    env: dict[str, str]

    @classmethod
    def make(cls, root: Path, api: ModelApi, bins: list[Path]) -> Self:
        """Make the directories of a town-to-be and of its home.

        What points the CLIs at the server stands in the home's configuration, as a user would
        write it there: of the daemon's own environment they need no more than PATH and HOME.
        """
        home, town = root / "tinytown", root / "town"
        home.mkdir(mode=0o700)
        town.mkdir()
        env = clis.agent_env(root / "home", api.url, bins)
        own = {name: env.pop(name) for name in ("HOME", "PATH", "LANG")}
        lines = [f"{name} = {json.dumps(value)}" for name, value in env.items()]
        quiet = ["[conductor]", "enabled = false"]  # it would make calls of its own
        (home / "config.toml").write_text("\n".join([*quiet, "[env]", *lines, ""]))
        return cls(town, {**own, "TINYTOWN_HOME": str(home)})

    def configure(self, settings: str) -> None:
        """Add TOML to the home's configuration; the next command sees it."""
        with (Path(self.env["TINYTOWN_HOME"]) / "config.toml").open("a") as file:
            file.write(settings)

    def tt(self, *words: str, expect: int = 0) -> str:
        """What `tt` printed on both outputs; fails when its exit code is not `expect`."""
        done = self._run(*words)
        assert done.returncode == expect, f"tt {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def ask(self, *words: str) -> Any:
        """What `tt … --json` shows."""
        return json.loads(self._run(*words, "--json").stdout)

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [TT, *words],
            cwd=self.directory,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )

    def task(self, task: str) -> dict[str, Any]:
        """One task, as `tt task show` has it."""
        shown: dict[str, Any] = self.ask("task", "show", task)
        return shown

    def agent(self, name: str) -> dict[str, Any]:
        """One agent, as `tt list` has it."""
        return next(agent for agent in self.ask("list") if agent["name"] == name)

    def rounds(self) -> list[dict[str, Any]]:
        """The last ten rounds, oldest first, as `tt status` has them."""
        rounds: list[dict[str, Any]] = self.ask("status")["rounds"]
        return rounds

    def wait_for(self, true: Callable[[], bool]) -> None:
        """Look until it is true; each look is a `tt` or two. Fails after WAIT_LIMIT_S."""
        deadline = time.monotonic() + WAIT_LIMIT_S
        while not true():
            assert time.monotonic() < deadline, self.tt("status", "--deep", "--tasks")

    def close(self) -> None:
        """End the daemon with all that runs in it; fails when anything of the home is left."""
        try:
            self.tt("daemon", "stop", "--kill")
        finally:
            left = self._left()
            for process in left:
                os.kill(process, signal.SIGKILL)
        assert not left, "something ran on"

    def _left(self) -> list[int]:
        """The processes of this home that do not end by themselves."""
        mark = f"TINYTOWN_HOME={self.env['TINYTOWN_HOME']}".encode()
        deadline = time.monotonic() + ENDING_LIMIT_S
        while left := [pid for pid in Path("/proc").glob("[0-9]*") if mark in _environment(pid)]:
            if time.monotonic() > deadline:
                break
        return [int(process.name) for process in left]


def _environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return []
