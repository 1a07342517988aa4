"""`make demo`: the tutorial's page, command by command, in a town that is gone afterwards.

The CLIs that the page names are played by rehearsal programs, unless CLI names a real one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.tutorial import Step, steps, with_cli
from tinytownd.runtimes.catalogue import PRESETS

BIN = Path(sys.executable).parent
PLAYED = ("claude", "auggie", "codex-mini")


def rehearsal_tables() -> str:
    """The home's configuration that has the page's CLIs played."""
    argv = [word for word in PRESETS["rehearsal"].argv if not word.startswith("{")]
    table = f'command = {json.dumps(argv)}\nreader = "{PRESETS["rehearsal"].reader}"\n'
    return "\n".join(f"[agent_clis.{cli}]\n{table}" for cli in PLAYED)


def say(text: str, code: str = "1") -> None:
    """A line of the demo's own, apart from what the programs print."""
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(f"\033[{code}m{text}\033[0m" if colour else text, flush=True)


class Demo:
    """One run of the page in a temporary directory."""

    def __init__(self, directory: Path, cli: str) -> None:
        self.cli = cli
        self.town = directory / "multi-agent-demo"
        self.town.mkdir()
        home = directory / "home"
        home.mkdir(mode=0o700)
        if not cli:
            (home / "config.toml").write_text(rehearsal_tables(), encoding="utf-8")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TINYTOWN_")}
        path = os.pathsep.join((str(BIN), os.environ.get("PATH", os.defpath)))
        self.environment = {**environment, "TINYTOWN_HOME": str(home), "PATH": path}

    def run(self) -> int:
        """Does everything the page says; the exit code of the first thing that failed."""
        section = ""
        for step in steps():
            if step.section != section:
                section = step.section
                say(f"\n## {section}", "1;36")
            code = self.do(with_cli(step, self.cli) if self.cli else step)
            if code:
                say(f"this ended with exit code {code}", "31")
                return code
        return 0

    def do(self, step: Step) -> int:
        """One step; what it prints goes where we print."""
        if step.text:
            say("$ cat > tasks.toml", "2")
            print(step.text, end="", flush=True)
            (self.town / "tasks.toml").write_text(step.text, encoding="utf-8")
            return 0
        say(f"$ {step.shown}", "2")
        return self.tt(*step.words[1:])

    def tt(self, *words: str) -> int:
        """Runs `tt` as a person would."""
        done = subprocess.run(
            [str(BIN / "tt"), *words], cwd=self.town, env=self.environment, check=False
        )
        return done.returncode

    def ask(self, *words: str) -> list[dict[str, object]]:
        """What `tt … --json` says."""
        done = subprocess.run(
            [str(BIN / "tt"), *words, "--json"],
            cwd=self.town,
            env=self.environment,
            check=True,
            capture_output=True,
        )
        found: list[dict[str, object]] = json.loads(done.stdout)
        return found

    def summary(self, seconds: float) -> int:
        """What came of it; 1 when a task was not completed."""
        tasks, messages = self.ask("task", "list"), self.ask("inbox", "--all")
        done = [task for task in tasks if task["state"] == "completed"]
        read = [message for message in messages if message["state"] == "acknowledged"]
        say("\n## Summary", "1;36")
        print(f"{len(done)} of {len(tasks)} tasks completed by {len(self.ask('list'))} agents")
        print(f"{len(messages)} messages, {len(read)} of them read")
        print("files the agents left:")
        for file in sorted(self.town.iterdir()):
            if file.name not in ("tasks.toml", "tinytown.toml") and file.is_file():
                print(f"  {file.name:<14} {file.stat().st_size:>5} bytes")
        print(f"{seconds:.1f} s in all")
        return int(len(done) != len(tasks))


def main() -> int:
    """Runs the page, shows what came of it, and leaves nothing running."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    directory = Path(tempfile.mkdtemp(prefix="tinytown-demo-"))
    demo = Demo(directory, os.environ.get("CLI", ""))
    started = time.monotonic()
    try:
        code = demo.run() or demo.summary(time.monotonic() - started)
    finally:
        demo.tt("daemon", "stop", "--kill")
        shutil.rmtree(directory, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
