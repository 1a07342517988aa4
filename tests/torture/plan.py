"""The plans of a storm, drawn from its seed: who is to do what after what, and how it must end.

What a task needs, and when it has waited enough, is written down here once more, apart from the
daemon's rules.
"""

from __future__ import annotations

import json
import random
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

AGENT = Path(__file__).with_name("agent.py")
CHECK = shlex.join([sys.executable, "-IS", str(AGENT), "check"])
WORKER, REVIEWER, CHORE = "worker", "reviewer", "chore"
#: The plan beside the main one, and how many times smaller it is.
SIDE, SMALLER = "side", 4
#: A task waits for at most so many others, out of so many that came before it.
MOST_NEEDS, REACH = 3, 30
#: How many of the tasks are for a role, nobody's, to be approved, checked, reviewed; and how many
#: fail for good, of those that others count on with `failures = "count"`.
FOR_ROLE, NOBODYS, APPROVED, CHECKED, REVIEWED, FAIL = 0.2, 0.1, 0.1, 0.15, 0.2, 0.08
#: How many of those with several needs are content with fewer; and how many of those that wait for
#: one that fails do not count failures, and are held.
JOINS, HELD = 0.3, 0.2


@dataclass(frozen=True)
class Member:
    """One of the team."""

    name: str
    role: str
    chores: bool
    cli: str = "storm"
    fallback: str = ""


@dataclass(frozen=True)
class PlanTask:
    """One task: its id in the town, its owner ("": nobody), what it waits for and its gates.

    `enough` of its needs must have arrived; with `count` also those that failed. One that `fails`
    is rejected by the person if it is to be approved, else given up by its agent. `end` is the
    state that it must come to.
    """

    id: str
    owner: str
    needs: tuple[str, ...] = ()
    enough: int = 0
    count: bool = False
    approve: bool = False
    check: bool = False
    review: str = ""
    fails: bool = False
    end: str = "completed"

    @property
    def plan(self) -> str:
        """The plan that it is of."""
        return self.id.rpartition("/")[0] or "main"

    @property
    def own_id(self) -> str:
        """Its id in its plan's file."""
        return self.id.rpartition("/")[2]


def draw_team(count: int) -> list[Member]:
    """Some review; a few do chores. The first two meet rate limits, the first has a fallback."""
    reviewers = max(2, count // 4)
    team = []
    for number in range(count):
        role = REVIEWER if number >= count - reviewers else WORKER
        limited = number < 2
        team.append(
            Member(
                f"a{number}",
                role,
                chores=number % 3 == 1,
                cli="limited" if limited else "storm",
                fallback="storm" if number == 0 else "",
            )
        )
    return team


def draw_plan(dice: random.Random, team: Sequence[Member], tasks: int, plan: str) -> list[PlanTask]:
    """A random graph without circles: each task waits for some that came shortly before it."""
    drawn, before = list[PlanTask](), "" if plan == "main" else f"{plan}/"
    for number in range(tasks):
        near = [task for task in drawn[-REACH:] if task.end != "pending"]
        needs = dice.sample(near, min(len(near), dice.choice([0, 1, 1, 2, MOST_NEEDS])))
        drawn.append(_draw_task(dice, team, f"{before}w{number}", needs))
    return drawn


def _draw_task(
    dice: random.Random, team: Sequence[Member], task_id: str, needs: Sequence[PlanTask]
) -> PlanTask:
    owner = dice.choice([member.name for member in team])
    owner = dice.choices(
        (owner, f"role:{WORKER}", ""), (1 - FOR_ROLE - NOBODYS, FOR_ROLE, NOBODYS)
    )[0]
    enough = dice.randint(1, len(needs)) if needs and dice.random() < JOINS else len(needs)
    arrive = sum(need.end == "completed" for need in needs)
    count = arrive < enough and dice.random() >= HELD
    others = [member.name for member in team if member.name != owner]
    review = dice.choice((f"role:{REVIEWER}", dice.choice(others)))
    fails = dice.random() < FAIL
    end = "failed" if fails else "completed"
    return PlanTask(
        id=task_id,
        owner=owner,
        needs=tuple(sorted(need.id for need in needs)),
        enough=enough,
        count=count,
        approve=dice.random() < APPROVED,
        check=dice.random() < CHECKED,
        review=review if dice.random() < REVIEWED else "",
        fails=fails,
        end=end if count or arrive >= enough else "pending",
    )


def plan_text(plan: Sequence[PlanTask]) -> str:
    """The plan as its file has it."""
    return "\n".join(map(_task_text, plan))


def _task_text(task: PlanTask) -> str:
    given_up = task.fails and not task.approve
    keys: dict[str, object] = {
        "id": task.own_id,
        "description": f"{'Give up' if given_up else 'Work on'} {task.own_id}",
        "depends_on": [need.rpartition("/")[2] for need in task.needs],
    }
    keys |= {"agent": task.owner} if task.owner else {"tags": [CHORE]}
    if task.enough < len(task.needs):
        keys["join"] = "any" if task.enough == 1 else task.enough
    keys |= {"failures": "count"} if task.count else {}
    keys |= {"approve": True} if task.approve else {}
    keys |= {"check": CHECK} if task.check else {}
    keys |= {"review": task.review} if task.review else {}
    lines = (f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    return "[[tasks]]\n" + "".join(lines)
