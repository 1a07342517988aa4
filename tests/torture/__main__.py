"""`make torture`: a town at work while a killer goes about in it, and whether anything was lost.

Prints a seed first and last. It draws the plan, the letters, and whom the killer goes for; when
exactly the blows fall is the machine's affair, so a run that is repeated is alike, not the same.
Exit code 1, and a directory that is kept, when a promise was broken.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.torture.callers import People
from tests.torture.checks import check
from tests.torture.evidence import Evidence, collect, described, descriptors, files
from tests.torture.killer import Killer
from tests.torture.person import somebody_there
from tests.torture.plan import PlanTask
from tests.torture.report import report
from tests.torture.town import Size, StormTown, until

#: Which agents are at work, and leave processes behind, when the town is ended: two share a CLI
#: for one round at a time.
LINGERERS = slice(2, 5)


def arguments(argv: Sequence[str]) -> Size:
    """The storm that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    for field in dataclasses.fields(Size)[1:]:
        parser.add_argument(f"--{field.name}", type=int, default=field.default)
    return Size(**vars(parser.parse_args(argv)))


def storm(killer: Killer, people: People) -> None:
    """Everybody at once, until the last is done; the first fault of ours ends it."""
    parts = [killer.run, *people.parts]
    with ThreadPoolExecutor(len(parts)) as pool:
        under_way = [pool.submit(part) for part in parts]
        for one in under_way:
            one.result()


def say(text: str) -> None:
    """A line about how far it is."""
    print(text, flush=True)


def run(directory: Path, size: Size) -> int:
    """One storm in that directory; how many things were wrong."""
    town, plans, began = StormTown(directory, size), size.plans(), time.monotonic()
    tasks = {task.id: task for plan in plans.values() for task in plan}
    killer = Killer(town)
    people = People(town, plans, lambda: killer.share)
    try:
        town.set_up()
        before = descriptors(town), files(town)
        people.first_push()
        say(f"set up after {time.monotonic() - began:.0f} s; the storm begins")
        with somebody_there(town, tasks):
            storm(killer, people)
            passed = time.monotonic() - began
            say(f"{killer.killed} kills after {passed:.0f} s; the town comes to rest")
            town.settle()
        found = aftermath(town, tasks)
        found.before, found.files = before[0], sorted(files(town) - before[1])
        end(town, found)
    except BaseException:
        town.abandon()
        raise
    (directory / "evidence.json").write_text(json.dumps(dataclasses.asdict(found), indent=1))
    problems = check(found)
    for line in report(found, killer.counts, problems, time.monotonic() - began):
        say(line)
    return sum(map(len, problems.values()))


def aftermath(town: StormTown, tasks: Mapping[str, PlanTask]) -> Evidence:
    """The calm after the storm: one more task for everybody, and what there is to see then."""
    town.one_more_task()
    town.unhold()
    return collect(town, tasks)


def end(town: StormTown, found: Evidence) -> None:
    """Ends the town in the middle of work, with a daemon that died over it; nothing may be left."""
    names = town.size.team[LINGERERS]
    for name in names:
        town.town.quick("assign", name, "Work, linger")
    rounds = len(found.notes["rounds"]) + len(names)
    until(lambda: len(town.noted("rounds")) >= rounds, "the last rounds")
    os.kill(town.home.pid, signal.SIGKILL)
    stopped = town.tt("daemon", "stop", "--kill")
    with contextlib.suppress(AssertionError):
        until(lambda: not town.home.processes(town.directory), "the end of everything")
    found.left = [described(pid) for pid in town.home.processes(town.directory)]
    if stopped.code != 0 or found.left:
        found.left.append(f"tt daemon stop --kill: {stopped}")
        town.abandon()


def main() -> int:
    """The program."""
    size = arguments(sys.argv[1:])
    say(f"seed {size.seed}")
    directory = Path(tempfile.mkdtemp(prefix="tinytown-torture-"))
    wrong = 1
    try:
        wrong = run(directory, size)
    finally:
        if wrong:
            say(f"\nwhat is left to look at: {directory}")
        else:
            shutil.rmtree(directory)
        say(f"\nseed {size.seed}: {'something is WRONG' if wrong else 'nothing was lost'}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
