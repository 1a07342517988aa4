"""What the API reaches: every verb of a town, and nothing once the town is closed."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.e2e.town import Home, TownUnderTest
from tinytown_cli.api import AgentOptions, Closed, Goal, TaskOptions, Town

Within = Callable[[Home], None]

ROOT = Path(__file__).parents[2]
VERBS = (ROOT / "docs" / "protocol.md").read_text().split("## Verbs of a town")[1]
#: Verbs that no program needs, and why.
LEFT_OUT = {
    "agent.attach": "a terminal",
    "agent.session": "a terminal",
    "agent.detach": "a terminal",
    "conductor.chat": "a terminal",
    "plan.status": "conductor.status tells as much",
    "town.migrate": "once, by hand",
}


def rows() -> Iterator[tuple[list[str], set[str]]]:
    """The verbs of each row of the table, with the names of their arguments."""
    for verbs, told in re.findall(r"^\| (`[a-z._`, ]+`) \|([^|]*)\|", VERBS, re.MULTILINE):
        quoted = re.match(r" *`([^`]*)`", told)
        words = quoted[1].split(", ") if quoted else []
        yield re.findall(r"[a-z._]+", verbs), {word.rstrip("?") for word in words}


def test_every_verb_of_a_town_is_asked() -> None:
    text = "".join(file.read_text() for file in (ROOT / "tinytown_cli" / "api").glob("*.py"))
    verbs = {verb for named, _ in rows() for verb in named}
    assert len(verbs) > 60
    assert {verb for verb in verbs if f'"{verb}"' not in text} == set(LEFT_OUT)


@pytest.mark.parametrize(
    ("verb", "own", "options"),
    [
        ("agent.spawn", {"name"}, AgentOptions),
        ("task.assign", {"agent", "text"}, TaskOptions),
        ("backlog.add", {"text"}, TaskOptions),
    ],
)
def test_all_that_can_be_said_of_what_is_new_can_be_said(
    verb: str, own: set[str], options: type
) -> None:
    (arguments,) = (found for named, found in rows() if verb in named)
    assert arguments - own == set(inspect.get_annotations(options))


#: A value for each argument that a public method needs.
VALUES: dict[str, Any] = {
    **dict.fromkeys(("agent", "to", "name"), "ann"),
    **dict.fromkeys(("task", "message", "question"), "x1"),
    **dict.fromkeys(("text", "reason", "path"), "x"),
    "older": timedelta(days=1),
}


def calls(things: list[object]) -> Iterator[tuple[str, Coroutine[Any, Any, object]]]:
    """Each public method of theirs that is awaited, called."""
    for thing in things:
        for name, method in inspect.getmembers(thing, inspect.iscoroutinefunction):
            if name.startswith("_") or name == "init":  # that needs no open town
                continue
            needed = [
                VALUES[one.name]
                for one in inspect.signature(method).parameters.values()
                if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD
            ]
            yield f"{type(thing).__name__}.{name}", method(*needed)


def test_every_call_on_a_closed_town_says_so(
    town: TownUnderTest, loop: str, within: Within
) -> None:
    within(town.home)

    async def main() -> None:
        async with Town.connect(town.directory) as api:
            ann = await api.spawn("ann", cli="scripted")
            await ann.interrupt()
            task, message = await ann.assign("Wait"), await ann.send("Wait")
            goal = Goal(api._session, api.plan, message)
            events, mail = api.events(), api.messages("ann")
        made = [api, ann, task, api.plan, api.plan("billing"), api.backlog, goal]
        refused = []
        for name, call in calls(made):
            with pytest.raises(Closed, match=r"^This town is closed: use it inside its"):
                await call
            refused.append(name)
        assert len(refused) > 70
        for following in (events, mail, api.events(since="0"), api.messages()):
            with pytest.raises(Closed):
                await anext(following)
            with pytest.raises(Closed):
                await following.__aenter__()

    anyio.run(main, backend=loop)
    assert [one["description"] for one in town.see("task", "list")] == ["Wait"]
