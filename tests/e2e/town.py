"""A home with its daemon, and towns in it, driven as a user does: by the installed programs.

What a test is about goes through `tt`, a process each time. What it needs beside that (a team, a
look at a task) goes through `quick`: the same client in this process, at a tenth of the time.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import waiting
from tinytown_cli import app

BIN = Path(sys.executable).parent
AGENT = Path(__file__).with_name("scripted_agent.py")
#: ISO 8601 in UTC, as all times of the protocol.
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

Data = dict[str, Any]

SCRIPTED = json.dumps([sys.executable, "-IS", str(AGENT)])
CONFIG = f"""\
[town]
default_cli = "scripted"

[conductor]
enabled = false

[limits]
attempts = 1
max_rounds = 100
grace_seconds = 0.3
backoff_seconds = 0.05

[env]
REHEARSAL_SECONDS = "0"

[agent_clis.scripted]
command = {SCRIPTED}

[agent_clis.talking]
command = {SCRIPTED}
reader = "claude"
resume = "--resume {{session}}"
"""


@dataclass(frozen=True)
class Done:
    """What a program came to."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed with `--json`."""
        return json.loads(self.out)


until = waiting.until


def lines(file: Path) -> list[Data]:
    """The objects of a file of JSON lines; none where there is no file."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


class Home:
    """A `TINYTOWN_HOME` of its own."""

    def __init__(self, path: Path, config: str = CONFIG) -> None:
        self.path = path
        path.mkdir(mode=0o700, parents=True)
        (path / "config.toml").write_text(config)
        user = path / "user"
        user.mkdir()
        self.env = {
            "PATH": os.pathsep.join((str(BIN), os.environ.get("PATH", os.defpath))),
            "HOME": str(user),
            "TINYTOWN_HOME": str(path),
            "LANG": "C.UTF-8",
        }

    def run(self, *argv: str | bytes, cwd: Path, stdin: str | bytes = "", **env: str) -> Done:
        """Runs any program in this home's environment."""
        done = subprocess.run(
            argv,
            cwd=cwd,
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            env={**self.env, **env},
            capture_output=True,
            timeout=40,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def tt(
        self, *words: str | bytes, cwd: Path, code: int | None = 0, stdin: str | bytes = ""
    ) -> Done:
        """Runs `tt` and checks its exit code (None: any)."""
        done = self.run(str(BIN / "tt"), *words, cwd=cwd, stdin=stdin)
        assert code is None or done.code == code, f"tt {words}: {done}"
        return done

    def quick(self, *words: str, cwd: Path, code: int | None = 0) -> Done:
        """The same without a process of its own."""
        out, err = io.StringIO(), io.StringIO()
        environment = dict(os.environ)
        os.environ.clear()
        os.environ.update(self.env)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                ended = app.run(["-t", str(cwd), *words])
        finally:
            os.environ.clear()
            os.environ.update(environment)
        done = Done(ended, out.getvalue(), err.getvalue())
        assert code is None or done.code == code, f"tt {words}: {done}"
        return done

    @property
    def pid(self) -> int:
        """The daemon's process; 0 when none has said that it is ready."""
        try:
            return int(json.loads((self.path / "endpoint.json").read_text())["pid"])
        except (OSError, ValueError):
            return 0

    def server_pid(self) -> int:
        """The embedded server's process."""
        return next(
            pid
            for pid in processes()
            if _link(pid, "cwd").startswith(str(self.path))
            and _link(pid, "exe").rpartition("/")[2].startswith(("valkey", "redis"))
        )

    def town(self, directory: Path) -> TownUnderTest:
        """Makes a town of a directory, which is made if need be."""
        directory.mkdir(parents=True, exist_ok=True)
        town = TownUnderTest(self, directory)
        town.quick("init")
        return town

    def end(self, *more: Path) -> None:
        """Ends the daemon with all that it runs, and makes sure that nothing of it is left."""
        try:
            self.tt("daemon", "stop", "--kill", cwd=self.path)
            until(lambda: not self.processes(*more), "the end of everything")
        finally:
            for pid in self.processes(*more):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def processes(self, *more: Path) -> list[int]:
        """What runs that knows of this home, or works below it or below `more`."""
        places = tuple(str(place) for place in (self.path, *more))
        return [
            pid
            for pid in processes()
            if _link(pid, "cwd").startswith(places) or places[0].encode() in _environ(pid)
        ]

    def log(self) -> str:
        """The end of the daemon's log."""
        logs = (self.path / "logs" / name for name in ("tinytownd.jsonl", "start.log"))
        return "".join(file.read_text()[-2500:] for file in logs if file.exists())


class TownUnderTest:
    """One town."""

    def __init__(self, home: Home, directory: Path) -> None:
        self.home = home
        self.directory = directory

    def tt(self, *words: str | bytes, code: int | None = 0, stdin: str | bytes = "") -> Done:
        """Runs `tt` in the town's directory."""
        return self.home.tt(*words, cwd=self.directory, code=code, stdin=stdin)

    def quick(self, *words: str, code: int | None = 0) -> Done:
        """The same without a process of its own: for what the test is not about."""
        return self.home.quick(*words, cwd=self.directory, code=code)

    def data(self, *words: str) -> Any:
        """What `tt … --json` says."""
        return self.tt(*words, "--json").data

    def see(self, *words: str) -> Any:
        """What `tt … --json` says, without a process of its own."""
        return self.quick(*words, "--json").data

    def team(self, *names: str) -> None:
        """Agents with nothing special about them."""
        for name in names:
            self.quick("spawn", name)

    def wait(self, *words: str, code: int | None = 0) -> Done:
        """`tt wait …`, for as long as anything here may take."""
        return self.quick("wait", *words, "--timeout", "20", code=code)

    def assign(self, agent: str, *script: str, options: tuple[str, ...] = ()) -> str:
        """A task with a script for its agent; the task's id."""
        text = "\n".join(["Work", *(f"do: {line}" for line in script)])
        return str(self.see("assign", agent, text, *options)["id"])

    def task(self, ref: str) -> Data:
        """One task, with its rounds."""
        found: Data = self.see("task", "show", ref)
        return found

    def states(self) -> dict[str, str]:
        """Every task's state."""
        return {task["id"]: task["state"] for task in self.see("task", "list")}

    def agent(self, name: str) -> Data:
        """One agent."""
        return next(agent for agent in self.see("list") if agent["name"] == name)

    def plan(self, text: str, *options: str, code: int = 0) -> Done:
        """Writes `tasks.toml` and pushes it."""
        (self.directory / "tasks.toml").write_text(text)
        return self.quick("sync", "push", "--json", *options, code=code)

    def rounds(self, count: int = 0) -> list[Data]:
        """What the scripted agents noted of their rounds, as soon as there are so many."""
        file = self.directory / "rounds.jsonl"
        until(lambda: len(lines(file)) >= count, f"{count} rounds")
        return lines(file)

    def said(self) -> list[Data]:
        """What `tt` told the scripted agents."""
        return lines(self.directory / "said.jsonl")

    def go(self, file: str) -> None:
        """Lets agents go on that wait for the file."""
        (self.directory / file).touch()

    def write(self, name: str, text: str) -> Path:
        """Writes a file into the town."""
        path = self.directory / name
        path.write_text(text)
        return path


def copy(town: TownUnderTest, directory: Path) -> TownUnderTest:
    """The same town's files, somewhere else."""
    shutil.copytree(town.directory, directory)
    return TownUnderTest(town.home, directory)


def processes() -> list[int]:
    """All processes but this one."""
    return [int(p.name) for p in Path("/proc").glob("[0-9]*") if int(p.name) != os.getpid()]


def alive(pid: int) -> bool:
    """Whether it runs; one that is dead and not yet reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _link(pid: int, name: str) -> str:
    try:
        return str(Path(f"/proc/{pid}/{name}").readlink())
    except OSError:
        return ""


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
