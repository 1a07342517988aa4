"""The command for a person's terminal: of the presets, and of tables."""

from __future__ import annotations

import pytest

from tinytownd.domain.errors import BadInput
from tinytownd.runtimes.catalogue import ARGUMENT_LIMIT, PRESETS, Context
from tinytownd.runtimes.tables import from_table

TOLD = Context("Be brief. {session}", "Run this")

#: CLI → what opens a new session that is told something, and what resumes one with a model.
COMMANDS = {
    "claude": (
        "claude --dangerously-skip-permissions --append-system-prompt",
        "claude --dangerously-skip-permissions --model m --resume s",
    ),
    "auggie": ("auggie", "auggie --model m --resume s"),
    "codex": (
        "codex --dangerously-bypass-approvals-and-sandbox -c allow_login_shell=false",
        "codex --dangerously-bypass-approvals-and-sandbox -c allow_login_shell=false -m m resume s",
    ),
    "gemini": (
        "gemini --approval-mode yolo --skip-trust --prompt-interactive",
        "gemini --approval-mode yolo --skip-trust --model m --resume s",
    ),
    "copilot": (
        "copilot --allow-all-tools --no-auto-update --interactive",
        "copilot --allow-all-tools --no-auto-update --model m --resume=s",
    ),
    "cursor": ("cursor-agent --force", "cursor-agent --force --model m --resume s"),
    "opencode": ("opencode --auto --prompt", "opencode --auto --model m -s s"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_preset_in_a_terminal(name: str) -> None:
    new, resumed = COMMANDS[name]
    assert PRESETS[name].conversation(context=TOLD) == (*new.split(), TOLD.text)
    assert list(PRESETS[name].conversation("s", "m")) == resumed.split()


def test_codex_mini_has_its_model_in_a_terminal_too() -> None:
    argv = PRESETS["codex-mini"].conversation("s")
    assert " ".join(argv).endswith('-m gpt-5.4-mini -c model_reasoning_effort="medium" resume s')


@pytest.mark.parametrize("name", sorted(set(PRESETS) - {*COMMANDS, "codex-mini"}))
def test_a_cli_without_a_form_for_a_terminal(name: str) -> None:
    with pytest.raises(BadInput, match=f"the CLI '{name}' has no form for a terminal") as refused:
        PRESETS[name].conversation()
    assert f"agent_clis.{name}.interactive" in refused.value.hint


def test_a_mode_that_a_cli_lacks_is_refused_in_a_terminal_too() -> None:
    with pytest.raises(BadInput, match="cannot be held to the permissions 'read'"):
        PRESETS["cursor"].conversation(mode="read")


@pytest.mark.parametrize("text", ["x" * (ARGUMENT_LIMIT + 1), "NUL \0"], ids=["long", "nul"])
def test_a_context_that_is_no_argument_is_pointed_to(text: str) -> None:
    assert PRESETS["codex"].conversation(context=Context(text, "Run this"))[-1] == "Run this"


def test_a_table_can_say_how() -> None:
    mine = from_table(
        "mine",
        {
            "command": "mine --batch",
            "interactive": "mine --tui",
            "resume": "--continue {session}",
            "permissions": {"read": "--read-only"},
            "context": "--system {prompt}",
        },
    )
    argv = mine.conversation("s", mode="read", context=TOLD)
    assert argv == ("mine", "--tui", "--read-only", "--continue", "s", "--system", TOLD.text)
    assert from_table("mine", {"command": "mine"}).interactive == ()
    assert from_table("claude", {"env": {}}).interactive == PRESETS["claude"].interactive


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"interactive": ""}, "agent_clis.claude.interactive is empty"),
        ({"interactive": 3}, "agent_clis.claude.interactive must be text or a list of texts"),
        ({"context": "--system"}, "agent_clis.claude.context does not say where the prompt goes"),
    ],
)
def test_mistakes_in_a_table(table: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        from_table("claude", table)
