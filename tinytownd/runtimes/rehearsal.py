"""An agent CLI that thinks nothing: it plays one round, so that a plan can be seen to run.

It stands alone (`python -I rehearsal.py [--model M] [--resume ID]`, the prompt on standard input)
and knows of its work only what the prompt says: the task, the team, and the commands to type. It
leaves a file (not with `--leave-nothing`, which stands for the permissions to read), writes to a
team-mate and completes its task, in claude's stream-json. The variable
REHEARSAL_SECONDS (default 0.3) is how long it thinks, so that somebody can watch.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_NAME = re.compile(r"^You are (?:the )?([^\s,]+)", re.MULTILINE)
_TEAM = re.compile(r"^Team: (.+)$", re.MULTILINE)
_MEMBER = re.compile(r"^\s*([^\s(]+)")
# The commands are indented lines; text of others that quotes one is not to be mistaken for them.
_COMPLETE = re.compile(r"^[ \t]+tt task complete ([A-Za-z0-9]\S*) --result ", re.MULTILINE)
_APPROVE = re.compile(r"^[ \t]+tt approve ([A-Za-z0-9]\S*)$", re.MULTILINE)
_SEND = re.compile(r"^[ \t]+tt send NAME ", re.MULTILINE)
_BUILT_ON = re.compile(r"^## (\S+), by (\S+)$", re.MULTILINE)
_HEADING = re.compile(
    r"^# (Your task|Results it builds on|Messages|What you are asked|When you are done)\b.*$",
    re.MULTILINE,
)
# What brings messages: to anybody, and to the conductor's agent, whose prompt is one of its own.
_MAIL = frozenset({"Messages", "What you are asked"})
_SECONDS_FOR_TT = 90
_SUMMARY = 80


class CannotPlay(Exception):
    """The prompt does not say what to do, or the command that it names failed."""


@dataclass
class Part:
    """What the prompt says."""

    name: str
    team: list[str]
    sections: dict[str, str]
    task: str | None
    may_send: bool
    reviews: str | None = None
    built_on: list[tuple[str, str]] = field(default_factory=list)


def main() -> int:
    """Play one round; exit code 1 when that was not possible."""
    parser = argparse.ArgumentParser(prog="rehearsal", description=__doc__)
    parser.add_argument("--model", default="rehearsal", metavar="M")
    parser.add_argument("--resume", default="", metavar="ID")
    parser.add_argument("--leave-nothing", action="store_true")
    options = parser.parse_args()
    prompt = sys.stdin.buffer.read().decode("utf-8", "replace")
    session = options.resume or str(uuid.uuid4())
    started = time.monotonic()

    def say(kind: str, **what: object) -> None:
        print(json.dumps({"type": kind, **what, "session_id": session}), flush=True)

    def tell(text: str) -> None:
        say("assistant", message={"role": "assistant", "content": [_text(text)]})

    say("system", subtype="init", cwd=str(Path.cwd()), model=options.model)
    error = None
    try:
        result = play(read_prompt(prompt), tell, leaves=not options.leave_nothing)
    except (CannotPlay, OSError, ValueError, subprocess.SubprocessError) as failure:
        result = error = str(failure)
    say(
        "result",
        subtype="error_during_execution" if error else "success",
        is_error=bool(error),
        result=result,
        num_turns=1,
        duration_ms=round((time.monotonic() - started) * 1000),
        total_cost_usd=0,
        usage={"input_tokens": len(prompt) // 4, "output_tokens": len(result) // 4},
    )
    if error:
        print(f"rehearsal: {error}", file=sys.stderr)
    return 1 if error else 0


def read_prompt(prompt: str) -> Part:
    """Find in the prompt what an agent needs to know. Raises CannotPlay when it is not there."""
    _, *pieces = _HEADING.split(prompt)
    sections = dict(zip(pieces[::2], map(str.strip, pieces[1::2]), strict=True))
    commands = _COMPLETE.findall(prompt)
    reviews = _APPROVE.findall(prompt.rpartition("\n# When you are done\n")[2])
    only_read = "Your task" not in sections and not _MAIL.isdisjoint(sections)
    if not commands and not reviews and not only_read:
        raise CannotPlay("the prompt names no `tt task complete ID` that would end the task")
    name, team = _NAME.search(prompt), _TEAM.search(prompt)
    members = [_MEMBER.match(member) for member in team[1].split(",")] if team else []
    return Part(
        name=name[1] if name else "somebody",
        team=[member[1] for member in members if member],
        sections=sections,
        task=commands[-1] if commands else None,
        may_send=_SEND.search(prompt) is not None,
        reviews=reviews[-1] if reviews else None,
        built_on=_BUILT_ON.findall(sections.get("Results it builds on", "")),
    )


def play(part: Part, tell: Callable[[str], None], *, leaves: bool) -> str:
    """Do what the part asks for and give the final text. Raises CannotPlay."""
    if part.reviews is not None:
        tt("approve", part.reviews)
        return f"{part.name} has approved {part.reviews}"
    if part.task is None:
        mail = "\n".join(part.sections.get(heading, "") for heading in _MAIL)
        count = len([line for line in mail.splitlines() if line.strip()])
        return f"{part.name} has read {count} lines of messages; nothing to do."
    text = part.sections.get("Your task", "")
    tell(f"{part.name} takes {part.task}: {_short(text)}")
    time.sleep(float(os.environ.get("REHEARSAL_SECONDS", "0.3")))
    file = leave_file(part, text) if leaves else "nothing"
    if part.may_send and (mate := next_of(part)):
        where = f", see {file}" if leaves else ""
        try:
            tt("send", mate, "--info", f"{part.task} is done{where}")
            tell(f"{part.name} has told {mate}.")
        except CannotPlay as refusal:  # by one who only runs commands, say: no reason to fail
            tell(str(refusal))
    result = f"Rehearsed {_short(text)!r}: left {file}{_built_on(part)}"
    tt("task", "complete", part.task, "--result", result)
    return result


def leave_file(part: Part, text: str) -> str:
    """Write what a real agent would have left, and give the file's name."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", part.task or "task") + ".md"
    lines = [f"# {part.task}", "", text or "(no text)", "", f"Rehearsed by {part.name}."]
    lines += [f"Built on {task}, by {agent}." for task, agent in part.built_on]
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return name


def next_of(part: Part) -> str | None:
    """The team-mate after oneself in the list, round and round; None when there is no other."""
    others = [member for member in part.team if member != part.name]
    if not others:
        return None
    place = part.team.index(part.name) if part.name in part.team else 0
    return others[place % len(others)]


def tt(*arguments: str) -> None:
    """Run `tt`. Raises CannotPlay with what it printed when it fails."""
    try:
        done = subprocess.run(
            ["tt", *arguments],  # noqa: S607 - the town puts its `tt` on PATH
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS_FOR_TT,
            check=False,
        )
    except FileNotFoundError as error:
        raise CannotPlay("there is no `tt` on PATH") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise CannotPlay(f"tt {' '.join(arguments[:2])} exited {done.returncode}: {said}")


def _built_on(part: Part) -> str:
    return f", built on {', '.join(task for task, _ in part.built_on)}" if part.built_on else ""


def _short(text: str) -> str:
    first = text.partition("\n")[0]
    return first if len(first) <= _SUMMARY else first[: _SUMMARY - 1] + "…"


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


if __name__ == "__main__":
    sys.exit(main())
