"""The ways of working together, each once, by agents that do what they are told and no more.

A case is driven with `tt`, or with a program in Python, in a town of its own. What comes of it is
every prompt of every round, in the order of tasks and rounds: nothing else reaches a model.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.town import TownUnderTest

CASES: dict[str, Case] = {}


@dataclass(frozen=True)
class Case:
    """How a pattern is driven, in a home with these settings; `rounds` is what it takes."""

    name: str
    rounds: int
    drive: Callable[[TownUnderTest], None]
    settings: str = ""


@dataclass(frozen=True)
class Prompt:
    """What one round was told."""

    agent: str
    number: int
    task: str
    text: str


def case(name: str, rounds: int, settings: str = "") -> Callable[[Callable[..., None]], None]:
    """Declares a case."""

    def declare(drive: Callable[[TownUnderTest], None]) -> None:
        CASES[name] = Case(name, rounds, drive, settings)

    return declare


def prompts(town: TownUnderTest) -> list[Prompt]:
    """All that models were told in a town, by task and then by round."""
    found = []
    for file in (town.directory / ".tt" / "rounds").glob("*/*/prompt.md"):
        text = file.read_text()
        if not text.startswith("You are "):  # a command: no model hears of it
            continue
        task = re.search(r"^# Your task: (\S+)", text, re.MULTILINE)
        number = int(file.parent.name)
        found.append(Prompt(file.parts[-3], number, task[1] if task else "-", text))
    return sorted(found, key=lambda one: (one.task, one.number))


def told(found: list[Prompt]) -> str:
    """The prompts in one text. Rounds have no numbers here: side by side they are in any order."""
    return "\n".join(f"{'=' * 20} {one.agent}, {one.task}\n{one.text}" for one in found)


def done(result: str) -> str:
    """What a scripted agent does that completes its task, as a part of the task's text."""
    return f"do: tt task complete --result {result!r}"


def plan(town: TownUnderTest, *tasks: str, code: int = 0) -> None:
    """Has a plan carried out to its end."""
    tables = "\n".join(f"[[tasks]]\n{task}" for task in tasks)
    town.write("tasks.toml", tables)
    town.tt("sync", "push")
    town.tt("conductor", code=code)
    town.tt("wait", "--all")


def task(name: str, agent: str, text: str, *script: str, **keys: str) -> str:
    """A task of a plan file; `keys` are TOML values."""
    lines = [f'id = "{name}"', f'agent = "{agent}"']
    lines += [f'description = """{text}', *script[:-1], f'{script[-1]}"""']
    return "\n".join([*lines, *(f"{key} = {value}" for key, value in keys.items()), ""])


@case("sequential", rounds=2)
def sequential(town: TownUnderTest) -> None:
    """One after the other: what comes next is told what came before."""
    town.team("architect", "developer")
    plan(
        town,
        task("design", "architect", "Design the API", done("POST /login")),
        task("build", "developer", "Build it", done("Built"), parent='"design"'),
    )


@case("parallel", rounds=3)
def parallel(town: TownUnderTest) -> None:
    """What waits for nothing goes out at once."""
    team = ("frontend", "backend", "docs")
    town.team(*team)
    for name in team:
        town.quick("assign", name, f"Write the {name}\n{done('Written')}")
    town.tt("wait", "--all")


@case("fan-out of three with a reviewer", rounds=4)
def fan_out(town: TownUnderTest) -> None:
    """The tutorial's: three workers, then a reviewer who builds on all of them."""
    workers = [f"worker-{number}" for number in (1, 2, 3)]
    town.team(*workers, "reviewer")
    parts = [
        task(f"module-{letter}", who, f"Implement module {letter}", done(f"Module {letter} is in"))
        for who, letter in zip(workers, "ABC", strict=True)
    ]
    text = "Review modules A, B, and C for consistency"
    on = '["module-A", "module-B", "module-C"]'
    plan(town, *parts, task("review", "reviewer", text, done("Consistent"), depends_on=on))


EXPLICIT = """
import anyio
from tinytown_cli.api import Town


def done(result: str) -> str:
    return f"do: tt task complete --result {result!r}"


async def main() -> None:
    async with Town.connect(".") as town:
        workers = [await town.spawn(f"worker-{number}") for number in (1, 2, 3)]
        reviewer = await town.spawn("reviewer")
        parts = [
            await worker.assign(f"Implement module {letter}\\n{done(f'Module {letter} is in')}")
            for worker, letter in zip(workers, "ABC")
        ]
        results = [await part.result() for part in parts]
        text = "Review modules A, B, and C for consistency:\\n" + "\\n".join(results)
        review = await reviewer.assign(f"{text}\\n{done('Consistent')}")
        print(await review.result())
        await town.wait_for_idle()


anyio.run(main)
"""


@case("the same, explicit in Python", rounds=4)
def fan_out_explicit(town: TownUnderTest) -> None:
    """The same with the coordination written out."""
    run_program(town, EXPLICIT)


def run_program(town: TownUnderTest, text: str) -> None:
    """Runs a program that uses the API, in the town's directory."""
    file: Path = town.write("program.py", text)
    ended = town.home.run(sys.executable, "-W", "error", str(file), cwd=town.directory)
    assert (ended.code, ended.err) == (0, ""), ended


@case("diamond", rounds=4)
def diamond(town: TownUnderTest) -> None:
    """One, then two side by side, then one."""
    town.team("ann", "bob")
    plan(
        town,
        task("top", "ann", "Begin", done("Begun")),
        task("left", "ann", "Do the left", done("Left"), depends_on='["top"]'),
        task("right", "bob", "Do the right", done("Right"), depends_on='["top"]'),
        task("bottom", "bob", "End", done("Ended"), depends_on='["left", "right"]'),
    )
