"""The real claude and codex on a terminal: a session taken up there, and a conductor to talk to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.real import clis
from tests.real.model_api import ModelApi, Request
from tests.real.town import TT, RealTown
from tests.terminal import OnTerminal

pytestmark = pytest.mark.real

SAID = "Remember the word pomegranate"


def settled_in(home: Path, town: Path) -> None:
    """What claude asks of people once, answered: else it looks for the network first."""
    file = home / ".claude.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    known |= {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "customApiKeyResponses": {"approved": ["dummy"], "rejected": []},
    }
    known.setdefault("projects", {})[str(town)] = {"hasTrustDialogAccepted": True}
    file.write_text(json.dumps(known))
    (home / ".claude").mkdir(exist_ok=True)
    settings = {"skipDangerousModePermissionPrompt": True}
    (home / ".claude" / "settings.json").write_text(json.dumps(settings))


def on_terminal(town: RealTown, api: ModelApi, bins: list[Path], *words: str) -> OnTerminal:
    """`tt …` on a terminal of a person who uses both CLIs themselves."""
    home = Path(town.env["HOME"])
    env = {**clis.agent_env(home, api.url, bins), **town.env}
    settled_in(home, town.directory)
    return OnTerminal([TT, *words], town.directory, env, size=(40, 110))


def say(terminal: OnTerminal, api: ModelApi, ready: str, *known: str) -> None:
    """Types a line as soon as `ready` is shown; the model is asked it, and knows the rest, too."""
    terminal.until(ready)
    terminal.type(SAID)
    terminal.until("pomegranate")
    terminal.type("\r")
    told = (SAID, *known)
    api.wait_until(lambda api: any(all(one in body(r) for one in told) for r in api.requests))


def body(request: Request) -> str:
    return json.dumps(request.body)


def leave(terminal: OnTerminal, cli: str) -> None:
    """Ends the CLI as its users do."""
    command = "/exit" if cli == "claude" else "/quit"
    terminal.type(command)
    terminal.until(command)
    terminal.type("\r")
    assert terminal.end() == 0


#: What each CLI shows when it takes what is typed.
READY = {"claude": "bypass", "codex": "shortcuts"}


@pytest.mark.parametrize("cli", READY)
def test_a_session_goes_on_in_the_terminal_and_back(
    cli: str, town: RealTown, api: ModelApi, cli_bins: list[Path]
) -> None:
    town.tt("spawn", "ann", "--cli", cli)
    town.tt("assign", "ann", "Say hello first")
    town.tt("wait", "--all", "--timeout", "60")
    session = town.agent("ann")["session"]
    with on_terminal(town, api, cli_bins, "attach", "ann") as terminal:
        say(terminal, api, READY[cli], "Say hello first")
        leave(terminal, cli)
        assert "ann goes on" in terminal.seen
        assert terminal.modes() == terminal.before
    town.tt("assign", "ann", "And once more")
    town.tt("wait", "--all", "--timeout", "60")
    assert town.agent("ann")["session"] == session
    assert any(SAID in body(one) and "And once more" in one.prompt for one in api.model_requests)


@pytest.mark.parametrize("cli", READY)
def test_a_conductor_to_talk_to_has_its_context(
    cli: str, town: RealTown, api: ModelApi, cli_bins: list[Path]
) -> None:
    town.tt("spawn", "ann", "--cli", cli)
    town.tt("config", "town.default_cli", cli)
    with on_terminal(town, api, cli_bins, "conductor", "--chat") as terminal:
        say(terminal, api, READY[cli], "You are the conductor of the town", f"ann ({cli}) is idle")
        leave(terminal, cli)
