"""Budgets: what may be used before a person is asked. Pure.

At 80 % the conductor's mailbox is told, once. At 100 % what the budget is of stops before its next
round, and a person is asked, once; a round that runs is let end. A yes allows as much again.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinytownd.domain import gates, questions, rules, tracking, usage
from tinytownd.domain.agent import Agent
from tinytownd.domain.message import CONDUCTOR, Round
from tinytownd.domain.policy import Budget
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import TrackedPlan
from tinytownd.domain.usage import Spender

#: The part of what is allowed at which a warning is given.
WARN_AT = 0.8
#: The subjects of all questions about a budget begin so.
ABOUT = "budget:"
DAY = f"{ABOUT}day"
NOUNS: dict[type, str] = {Task: "task", Agent: "agent", TrackedPlan: "plan"}
#: What a no means, by what the budget is of.
NO_MEANS = {"task": "it fails", "agent": "it is closed", "plan": "it stays paused"}


@dataclass(frozen=True)
class Spent:
    """What was used of a budget: `name` is whose it is, `about` the subject of the question."""

    name: str
    about: str
    budget: Budget
    tokens: int
    usd: float
    allowance: float

    def share(self, tokens: int = 0, usd: float = 0.0) -> float:
        """How much was used before these last tokens and dollars; 1 is the whole budget.

        Where both are bounded it is the larger share.
        """
        parts = (
            (self.tokens - tokens, self.budget.tokens),
            (self.usd - usd, self.budget.usd),
        )
        return max((used / bound for used, bound in parts if bound), default=0.0)

    @property
    def used_up(self) -> bool:
        """Whether all is used that is allowed."""
        return self.share() >= self.allowance

    @property
    def as_much_again(self) -> float:
        """The allowance of what may use one budget more than it has used."""
        return self.share() + 1

    @property
    def told(self) -> str:
        """One line on it."""
        tokens = f"{self.tokens:,} of {self.budget.tokens:,} tokens" if self.budget.tokens else ""
        money = f"${self.usd:,.2f} of ${self.budget.usd:,.2f}" if self.budget.usd else ""
        return f"{self.name} has used " + " and ".join(filter(None, (tokens, money)))


def spent(town: Town, one: Spender) -> Spent:
    """What a task, an agent or a plan has used of its budget."""
    noun, name = NOUNS[type(one)], one.name if isinstance(one, Agent) else one.id
    budget = town.policy.budgets.get(noun, Budget())
    about = f"{ABOUT}{noun}:{name}"
    return Spent(f"{noun} {name}", about, budget, one.tokens, one.cost_usd, one.allowance)


def spent_today(town: Town) -> Spent:
    """What the town has used of the day's budget."""
    meta, budget = town.meta, town.policy.budgets.get("day", Budget())
    name = f"on {meta.day} (UTC) the town"
    return Spent(name, DAY, budget, meta.day_tokens, meta.day_usd, meta.day_allowance)


# After a round


def judge(town: Town, running: Round, tokens: int, usd: float) -> None:
    """After a round that used so much: warns, or stops what has used up its budget, and asks."""
    for one in usage.spenders(town, running):
        now = spent(town, one)
        if is_used_up(town, now, tokens, usd) and stop(town, one, now):
            noun = NOUNS[type(one)]
            ask(town, now, NO_MEANS[noun], one.id if isinstance(one, Task) else None)
    today = spent_today(town)
    if is_used_up(town, today, tokens, usd) and not town.meta.day_over:
        town.put(town.meta.but(day_over=True))
        ask(town, today, "no round starts before the next day")


def hold_back(town: Town) -> None:
    """Tasks that came back in the change under way wait if their budget was used up meanwhile.

    Their last round was over while they could not wait: in review, or with a question open.
    """
    if not town.policy.budgets.get("task"):
        return
    for task in list(town.change.records.values()):
        if isinstance(task, Task) and task.state == "pending":
            now = spent(town, task)
            if now.used_up and stop(town, task, now):
                ask(town, now, NO_MEANS["task"], task.id)


def is_used_up(town: Town, now: Spent, tokens: int, usd: float) -> bool:
    """Whether all is used that is allowed. Coming near that is told as it happens."""
    if now.used_up:
        return True
    if now.share(tokens, usd) < now.allowance - 1 + WARN_AT <= now.share():
        town.event("budget.warned", "daemon", text=now.told)
        rules.send(town, "daemon", CONDUCTOR, f"A budget runs low: {now.told}", sort="info")
    return False


def stop(town: Town, one: Spender, now: Spent) -> bool:
    """What has used up its budget waits for a person; whether that is new.

    What is over needs no more; what cannot wait now (a task at its check) is judged again.
    """
    match one:
        case Task(state="pending"):
            gates.block(town, one, "daemon", now.told)
        case Agent(over_budget=False):
            town.put(one.but(over_budget=True))
        case TrackedPlan(paused=False, proposed=False) if tracking.is_open(town, one):
            tracking.pause(town, one, "daemon", now.told)
        case _:
            return False
    return True


def ask(town: Town, now: Spent, no_means: str, task: str | None = None) -> None:
    """Asks a person for as much again."""
    town.event("budget.exceeded", "daemon", task=task, text=now.told)
    text = f"{now.told}. May it use as much again? (no: {no_means})"
    questions.ask(town, "daemon", now.about, text[0].upper() + text[1:], task)


# What a person says


def answered(town: Town, about: str, actor: str, text: str) -> None:
    """A person has answered a question about a budget; raises `BadInput` for no yes and no no."""
    yes, _ = questions.decision(text)
    questions.close(town, about, actor, text)
    noun, _, name = about.removeprefix(ABOUT).partition(":")
    if noun == "task" and name in town.tasks:
        answer_task(town, town.tasks[name], actor, yes=yes)
    elif noun == "agent" and (agent := town.find_agent(name)):
        more = {"allowance": spent(town, agent).as_much_again} if yes else {"desired": "close"}
        town.put(agent.but(over_budget=False, **more))
        town.wake(agent)
    elif noun == "plan" and yes and (plan := town.plans.get(name)):
        town.put(plan.but(paused=False, allowance=spent(town, plan).as_much_again))
        town.event("plan.resumed", actor, plan=plan.id)
    elif about == DAY and yes:
        town.put(town.meta.but(day_over=False, day_allowance=spent_today(town).as_much_again))
        for agent in town.agents.values():
            town.wake(agent)


def answer_task(town: Town, task: Task, actor: str, *, yes: bool) -> None:
    """The blocked task goes on, or fails."""
    if task.state != "blocked":
        return
    if yes:
        gates.unblock(town, task, actor, allowance=spent(town, task).as_much_again)
    else:
        gates.fail(town, task, actor, f"its budget is used up: {spent(town, task).told}")


# The day


def over_for_today(town: Town) -> bool:
    """Whether the day's budget keeps everybody from starting a round."""
    return town.meta.day_over and town.meta.day == usage.day_of(town.now)


def new_day(town: Town) -> None:
    """Where another day has come: its counts begin at 0, and yesterday's question is no more."""
    if town.meta.day != usage.day_of(town.now):
        questions.close(town, DAY, "daemon", "the day is over")
        usage.new_day(town)
