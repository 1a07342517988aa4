"""Where a real agent CLI works in a test: it runs rounds by hand, and records calls of `tt`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from tests.real import clis
from tests.real.model_api import ModelApi
from tinytownd.runtimes.catalogue import PRESETS

ROUND_LIMIT_S = 90
FAKE_TT = """\
#!/bin/sh
for word; do printf '%s\\n' "$word"; done >"$(mktemp "${0%/*}/../tt-calls/XXXXXX")"
echo "task completed"
"""

CliName = Literal["claude", "codex"]


@dataclass(frozen=True)
class Done:
    """A round that ended: its exit code and the records of its transcript."""

    exit_code: int
    records: list[dict[str, Any]]

    @property
    def session(self) -> str:
        """The id to resume it by, from the first record that carries one."""
        named = (record.get("session_id") or record.get("thread_id") for record in self.records)
        return str(next(filter(None, named)))


@dataclass(frozen=True)
class Desk:
    """Where one agent CLI works: directories below tmp_path, the server, the recording `tt`."""

    root: Path
    api: ModelApi
    bins: list[Path]

    @classmethod
    def furnish(cls, root: Path, api: ModelApi, bins: list[Path]) -> Self:
        """Make the directories, and a `tt` that records its argv and says that it went well."""
        for name in ("home", "town", "bin", "tt-calls"):
            (root / name).mkdir()
        tt = root / "bin" / "tt"
        tt.write_text(FAKE_TT)
        tt.chmod(0o755)
        return cls(root, api, bins)

    @property
    def tt_calls(self) -> list[list[str]]:
        """The argv of every call of `tt`, in no order."""
        return [path.read_text().splitlines() for path in (self.root / "tt-calls").iterdir()]

    def run(self, cli: CliName, prompt: str, resume: str = "") -> Done:
        """Run a round to its end."""
        return self._done(self._start(cli, prompt, resume))

    def interrupt(self, cli: CliName, prompt: str) -> Done:
        """Start a round whose model never answers; end its process group as soon as it asked."""
        self.api.hang_next()
        before = len(self.api.model_requests)
        process = self._start(cli, prompt, "")
        try:
            self.api.wait_until(lambda api: len(api.model_requests) > before)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
        return self._done(process)

    def _start(self, cli: CliName, prompt: str, resume: str) -> subprocess.Popen[bytes]:
        env = clis.agent_env(self.root / "home", self.api.url, [self.root / "bin", *self.bins])
        prompt_file = self.root / "prompt"
        prompt_file.write_text(prompt)
        argv = [*PRESETS[cli].invocation(prompt_file, prompt, resume).argv]
        argv[0] = shutil.which(argv[0], path=env["PATH"]) or argv[0]
        with prompt_file.open("rb") as stdin, (self.root / "stdout").open("wb") as out:
            return subprocess.Popen(
                argv,
                stdin=stdin,
                stdout=out,
                stderr=subprocess.DEVNULL,
                env=env,
                cwd=self.root / "town",
                start_new_session=True,
            )

    def _done(self, process: subprocess.Popen[bytes]) -> Done:
        try:
            exit_code = process.wait(ROUND_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        lines = (self.root / "stdout").read_text().splitlines()
        return Done(exit_code, [json.loads(line) for line in lines])
