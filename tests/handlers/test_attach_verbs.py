"""A person takes a session into a terminal, and hands it back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.domain.towns import agent, message, task
from tests.handlers.desk import Desk
from tinytownd.config import Config
from tinytownd.domain.errors import BadInput, Conflict


def desk(**changes: Any) -> Desk:
    return Desk(agent("ann", session="s1", **changes), agent("bob", 2))


def with_settings(desk: Desk, **settings: Any) -> None:
    """The town's settings, with some changed."""
    config: Config = desk._services.config
    desk._services.config = dataclasses.replace(config, **settings)


def test_an_agent_is_paused_and_its_session_opened() -> None:
    town = desk(model="opus")
    told = town.call("agent.attach", name="ANN")
    assert (told["agent"]["desired"], told["agent"]["attached"]) == ("pause", True)
    assert told["was"] == "run"
    assert town.told() == ["agent.attached"]
    told = town.call("agent.session", name="ann")
    assert told["argv"] == [
        *("claude", "--dangerously-skip-permissions", "--model", "opus", "--resume", "s1"),
    ]
    assert told["cwd"] == town.town.meta.dir


def test_a_session_is_not_opened_while_a_round_has_it() -> None:
    town = Desk(agent("ann"), task(1, "ann"))
    town.begin("ann")
    town.call("agent.attach", name="ann")
    assert town.call("agent.session", name="ann") is None
    town.end("ann", "interrupted")
    assert town.agent("ann").state == "paused"
    # What it resumes is what the round left.
    assert "--resume" not in town.call("agent.session", name="ann")["argv"]


@pytest.mark.parametrize(("was", "after"), [("run", "run"), ("pause", "pause")])
def test_it_is_handed_back_as_it_was(was: str, after: str) -> None:
    town = desk(desired=was, state="idle" if was == "run" else "paused")
    told = town.call("agent.attach", name="ann")
    back = {"attachment": told["attachment"], "resume": told["was"] == "run"}
    told = town.call("agent.detach", name="ann", **back)
    assert (told["agent"]["desired"], told["agent"]["attached"]) == (after, False)
    assert town.told() == ["agent.detached"]


def test_a_hold_stays_when_it_is_handed_back() -> None:
    town = desk(hold_until=10**13, hold_reason="rate limit")
    town.call("agent.attach", name="ann")
    told = town.call("agent.detach", name="ann", resume=True)
    assert told["agent"]["hold"]["reason"] == "rate limit"


@pytest.mark.parametrize("verb", ["kill", "close", "interrupt", "resume", "restart"])
def test_who_wants_something_else_meanwhile_has_the_last_word(verb: str) -> None:
    town = desk()
    told = town.call("agent.attach", name="ann")
    wanted = town.call(f"agent.{verb}", name="ann")["agent"]["desired"]
    told = town.call("agent.detach", name="ann", attachment=told["attachment"], resume=True)
    assert told["agent"]["desired"] == wanted
    assert town.told() == []


def test_only_that_attachment_is_ended() -> None:
    town = desk()
    town.call("agent.attach", name="ann")
    told = town.call("agent.detach", name="ann", attachment="of yesterday", resume=True)
    assert (told["agent"]["desired"], told["agent"]["attached"]) == ("pause", True)


def test_two_terminals_do_not_share_a_session() -> None:
    town = desk()
    town.call("agent.attach", name="ann")
    with pytest.raises(Conflict, match="attached to a terminal already") as refused:
        town.call("agent.attach", name="ann")
    assert refused.value.hint == "if that terminal is gone: tt resume ann"
    town.call("agent.resume", name="ann")
    town.call("agent.attach", name="ann")


@pytest.mark.parametrize("verb", ["resume", "interrupt", "kill", "close", "restart"])
def test_agents_leave_it_to_the_person(verb: str) -> None:
    town = desk()
    town.call("agent.attach", name="ann")
    with pytest.raises(Conflict, match="a person works in the session of ann"):
        town.call(f"agent.{verb}", "bob", name="ann")


@pytest.mark.parametrize("verb", ["agent.attach", "agent.session", "agent.detach"])
def test_agents_attach_nothing(verb: str) -> None:
    with pytest.raises(BadInput, match="an agent cannot use this command"):
        desk().call(verb, "bob", name="ann")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"desired": "stop", "state": "stopped"}, "agent ann is stopped"),
        ({"cli": "shell"}, "the CLI 'shell' has no form for a terminal"),
        ({"cli": "cursor", "permissions": "read"}, "cannot be held to the permissions 'read'"),
    ],
)
def test_what_cannot_be_attached(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        desk(**changes).call("agent.attach", name="ann")


def test_a_session_that_is_not_attached_is_not_shown() -> None:
    with pytest.raises(Conflict, match="agent ann is not attached any more"):
        desk().call("agent.session", name="ann")


def test_secrets_are_named_and_not_told() -> None:
    town = desk()
    with_settings(
        town,
        env={"COLOUR": "blue", "API_TOKEN": "abc", "BASE": "https://ann:hunter2hunter2@x/"},
        agent_clis={"claude": {"env": {"MINE": "1", "COLOUR": "red"}}},
        env_file=Path("/town/.env"),
    )
    town.call("agent.attach", name="ann")
    told = town.call("agent.session", name="ann")
    assert told["env"] == {"MINE": "1", "COLOUR": "blue"}
    assert told["withheld"] == ["API_TOKEN", "BASE"]
    assert told["env_file"] == "/town/.env"


def test_a_conversation_with_the_conductor_begins_with_its_context() -> None:
    town = Desk(agent("ann", role="backend"), message(1, "conductor", sender="ann"))
    with_settings(town, town=dataclasses.replace(town._services.config.town, default_cli="codex"))
    told = town.call("conductor.chat")
    *front, prompt = told["argv"]
    assert front == [
        *("codex", "--dangerously-bypass-approvals-and-sandbox", "-c", "allow_login_shell=false"),
    ]
    assert "ann (backend, claude)" in prompt
    # What its own agent is asked is not asked twice.
    assert "# What you are asked" not in prompt
    assert prompt.endswith("What you do with tt counts as theirs.\n")
    with pytest.raises(BadInput, match="an agent cannot use this command"):
        town.call("conductor.chat", "ann")
