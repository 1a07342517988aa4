"""A town whose agents are real: its own home, daemon, `tinytown.toml`, and the real `tt`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.real import clis
from tests.real.model_api import ModelApi

TT = Path(sys.executable).with_name("tt")
COMMAND_LIMIT_S = 60
CONDUCTOR_LIMIT_S = 120
TEAM = {"architect": "claude", "developer": "codex", "tester": "codex-mini", "reviewer": "claude"}


@dataclass(frozen=True)
class RealTown:
    """A directory with a town in it, and the environment of the person who works there."""

    directory: Path
    env: dict[str, str]

    @classmethod
    def make(cls, root: Path, api: ModelApi, bins: list[Path], settings: str = "") -> Self:
        """Make the town with `tt init`; `settings` go into the home's `config.toml`.

        What points the CLIs at the server stands there as `[env]`, not in the daemon's environment.
        """
        home, town = root / "tinytown", root / "town"
        home.mkdir(mode=0o700)
        town.mkdir()
        env = clis.agent_env(root / "home", api.url, bins)
        own = {name: env.pop(name) for name in ("HOME", "PATH", "LANG")}
        lines = [f"{name} = {json.dumps(value)}" for name, value in env.items()]
        (home / "config.toml").write_text("\n".join([settings, "[env]", *lines, ""]))
        made = cls(town, {**own, "TINYTOWN_HOME": str(home)})
        made.tt("init", "--name", "real")
        return made

    def tt(self, *words: str, expect: int = 0) -> str:
        """What `tt` printed; fails when its exit code is not `expect`."""
        process = self.start(*words)
        try:
            out, err = process.communicate(timeout=CONDUCTOR_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        assert process.returncode == expect, f"tt {' '.join(words)}: {out}{err}{self._log()}"
        return out + err

    def start(self, *words: str) -> subprocess.Popen[str]:
        """`tt`, running beside the test."""
        return subprocess.Popen(
            [TT, *words],
            cwd=self.directory,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
