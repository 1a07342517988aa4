"""A person at a terminal: the line to the conductor, `tt attach`, `tt conductor --chat`."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conducted import rules
from tests.e2e.town import BIN, SCRIPTED, Home, TownUnderTest, lines, until
from tests.terminal import OnTerminal

CLI = json.dumps([sys.executable, "-IS", str(Path(__file__).with_name("person_cli.py"))])
SETTINGS = f"""
[agent_clis.both]
command = {SCRIPTED}
reader = "claude"
resume = "--resume {{session}}"
interactive = {CLI}
context = "--system {{prompt}}"

[agent_clis.lost]
command = {SCRIPTED}
interactive = "no-such-program"
"""
#: What a round prints as claude does, so that its agent has a session.
RESULT = json.dumps({"type": "result", "is_error": False, "result": "ok", "session_id": "s-7"})


@pytest.fixture
def place(make_home: Callable[..., Home], tmp_path: Path) -> Iterator[TownUnderTest]:
    """A town with an agent whose CLI has both forms."""
    town = make_home(SETTINGS).town(tmp_path / "town")
    town.write(
        "tinytown.toml", '[town]\nname = "town"\n\n[env]\nCOLOUR = "blue"\nAPI_TOKEN = "x"\n'
    )
    town.quick("spawn", "dev", "--cli", "both")
    yield town
    town.go("everybody-go")


def on_terminal(town: TownUnderTest, *words: str) -> OnTerminal:
    return OnTerminal([BIN / "tt", *words], town.directory, town.home.env)


def desired(town: TownUnderTest) -> tuple[str, bool]:
    agent = town.agent("dev")
    return agent["desired"], agent["attached"]


def test_a_session_is_taken_into_the_terminal_and_handed_back(place: TownUnderTest) -> None:
    place.assign("dev", f"say {RESULT}", "say done")
    place.wait("dev")
    until(lambda: place.agent("dev")["session"] == "s-7", "a session")
    task = place.assign("dev", "wait go", f"say {RESULT}")
    until(lambda: place.task(task)["state"] == "running", "a round")
    with on_terminal(place, "attach", "dev") as terminal:
        terminal.until(f"session ['--resume', 's-7'] in {place.directory}")
        # The round was ended before.
        assert place.task(task)["state"] == "assigned"
        assert "dev is paused for you; if this terminal is lost: tt resume dev" in terminal.seen
        terminal.until("terminal [True, True, True], variables ['COLOUR']")
        assert "set yourself what is needed of: API_TOKEN" in terminal.seen
        terminal.type("\x03")
        terminal.until("still here")
        assert desired(place) == ("pause", True)
        assert "in a person's terminal" in place.tt("list").out
        assert "attached to a terminal already" in second(place)
        terminal.type("tt send --info dev Hello\n")
        terminal.until("tt said Sent to dev")
        assert terminal.modes() != terminal.before
        terminal.type("exit 0\n")
        assert terminal.end() == 0
        assert terminal.modes() == terminal.before
        assert terminal.seen.endswith("dev goes on\r\n")
    assert [m["from"] for m in place.see("inbox", "dev")] == ["person"]
    place.go("go")
    until(lambda: place.task(task)["state"] == "completed", "the task's end")
    assert lines(place.directory / "rounds.jsonl")[-1]["argv"] == ["--resume", "s-7"]


def second(town: TownUnderTest) -> str:
    """What another terminal is told."""
    with on_terminal(town, "attach", "dev") as terminal:
        assert terminal.end() == 2
        return terminal.seen


def test_an_agent_that_was_paused_stays_so(place: TownUnderTest) -> None:
    place.quick("interrupt", "dev")
    with on_terminal(place, "attach", "dev") as terminal:
        terminal.until("dev has no session yet")
        terminal.until("session []")
        terminal.type("exit 3\n")
        assert terminal.end() == 1
        assert terminal.seen.endswith("dev stays paused. Back: tt resume dev\r\n")
        assert "ended with exit code 3" in terminal.seen
    assert desired(place) == ("pause", False)


def test_a_terminal_that_is_lost_leaves_the_agent_paused(place: TownUnderTest) -> None:
    with on_terminal(place, "attach", "dev") as terminal:
        terminal.until("variables")
        terminal.process.send_signal(signal.SIGKILL)
        assert terminal.end() == -signal.SIGKILL
        assert desired(place) == ("pause", True)
        terminal.type("exit 0\n")
    place.tt("resume", "dev")
    assert desired(place) == ("run", False)


def test_leaving_while_the_round_still_ends(place: TownUnderTest) -> None:
    place.home.quick("config", "limits.grace_seconds", "60", cwd=place.directory)
    task = place.assign("dev", "ignore-term", "wait go", f"say {RESULT}")
    until((place.directory / "ignores.jsonl").exists, "a round that does not end")
    with on_terminal(place, "attach", "dev") as terminal:
        terminal.until("paused for you")
        until(lambda: desired(place) == ("pause", True), "the pause")
        terminal.type("\x03")
        assert terminal.end() == 130
        assert "dev goes on" in terminal.seen
    assert desired(place) == ("run", False)
    place.go("go")
    until(lambda: place.task(task)["state"] == "completed", "the task's end")


def test_what_cannot_be_opened_pauses_nobody(place: TownUnderTest) -> None:
    place.quick("spawn", "mute", "--cli", "scripted")
    with on_terminal(place, "attach", "mute") as terminal:
        assert terminal.end() == 2
        assert "the CLI 'scripted' has no form for a terminal" in terminal.seen
    assert place.agent("mute")["desired"] == "run"
    place.quick("spawn", "gone", "--cli", "lost")
    with on_terminal(place, "attach", "gone") as terminal:
        assert terminal.end() == 2
        assert "no-such-program is not on your PATH" in terminal.seen
    assert place.agent("gone")["desired"] == "run"


@pytest.mark.parametrize("words", [("attach", "dev"), ("conductor", "--chat")])
def test_without_a_terminal_nothing_is_opened(words: tuple[str, ...], place: TownUnderTest) -> None:
    said = place.tt(*words, code=2).err
    assert (
        said == f"tt: tt {' '.join(words[: 1 + ('--chat' in words)])} works on a terminal only "
        "(run it in one, without pipes)\n"
    )
    assert desired(place) == ("run", False)


def test_a_chat_begins_with_the_context_and_speaks_as_the_person(place: TownUnderTest) -> None:
    place.home.quick("config", "town.conductor_cli", "both", cwd=place.directory)
    with on_terminal(place, "conductor", "--chat") as terminal:
        terminal.until("session ['--system', 'You are the conductor of the town town.")
        terminal.until("terminal [True, True, True]")
        terminal.type("tt send --info dev Hello\n")
        terminal.until("tt said Sent to dev")
        terminal.type("exit 0\n")
        assert terminal.end() == 0
    assert [m["from"] for m in place.see("inbox", "dev")] == ["person"]


PLAN = """\
[[tasks]]
id = "build"
description = "Work\\ndo: tt send person 'Well begun'\\ndo: wait go"
agent = "hand"
"""


def test_a_line_to_the_conductor_below_the_live_view(place: TownUnderTest) -> None:
    place.team("hand")
    place.plan(PLAN)
    with on_terminal(place, "conductor") as terminal:
        terminal.until("hand: Well begun")
        assert place.see("inbox", "person") == []
        terminal.type("How is it going?\r")
        terminal.until("you: How is it going?")
        terminal.until("nobody is there to read it")
        (waiting,) = place.see("inbox", "conductor")
        assert (waiting["from"], waiting["kind"]) == ("person", "query")
        assert waiting["text"] == "How is it going?"
        place.go("go")
        assert terminal.end() == 0
        assert "Plan completed: 1 of 1 done" in terminal.seen
        assert terminal.modes() == terminal.before


def test_without_a_plan_there_is_an_agent_to_talk_to_or_a_refusal(
    conducted: TownUnderTest,
) -> None:
    rules(conducted, ("Anybody", ["tt send person 'Here I am'"]))
    off = conducted.tt("conductor", code=2)
    assert off.err.startswith("tt: there is no plan to conduct")
    with on_terminal(conducted, "conductor") as terminal:
        terminal.until("No plan yet")
        terminal.type("Anybody there?\r")
        terminal.until("conductor: Here I am")
        assert terminal.process.poll() is None
        terminal.type("\x04")
        assert terminal.end() == 0
        assert terminal.modes() == terminal.before
    conducted.quick("config", "conductor.enabled", "false")
    with on_terminal(conducted, "conductor") as terminal:
        assert terminal.end() == 2
        assert "there is no plan to conduct" in terminal.seen
