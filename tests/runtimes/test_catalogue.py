import re
from pathlib import Path

import pytest

from tinytownd.domain.errors import BadInput
from tinytownd.domain.names import PERMISSIONS
from tinytownd.runtimes.catalogue import ARGUMENT_LIMIT, PRESETS, Invocation, Runtime, executable
from tinytownd.runtimes.readers import READERS

FILE = Path("/round/prompt.md")
#: What switches a CLI's questions off.
BYPASSES = re.compile("danger|yolo|allow-all|--force|yes-always|--auto$")
CODEX = (
    "codex exec --json --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox"
    " -c allow_login_shell=false"
)
BOUND = ["claude", "codex", "codex-mini", "gemini", "copilot", "rehearsal"]


@pytest.mark.parametrize(
    ("name", "fresh", "resumed"),
    [
        (
            "claude",
            "claude --print --output-format stream-json --verbose --dangerously-skip-permissions",
            "claude --print --output-format stream-json --verbose --dangerously-skip-permissions"
            " --model M --resume S",
        ),
        (
            "auggie",
            "auggie --print --quiet --output-format json --instruction-file /round/prompt.md",
            "auggie --print --quiet --output-format json --instruction-file /round/prompt.md"
            " --model M --resume S",
        ),
        ("codex", f"{CODEX} -", f"{CODEX} -m M resume S -"),
        (
            "codex-mini",
            f'{CODEX} -m gpt-5.4-mini -c model_reasoning_effort="medium" -',
            f'{CODEX} -m M -c model_reasoning_effort="medium" resume S -',
        ),
        (
            "gemini",
            "gemini -o stream-json --approval-mode yolo --skip-trust -p PROMPT",
            "gemini -o stream-json --approval-mode yolo --skip-trust --model M --resume S"
            " -p PROMPT",
        ),
        (
            "copilot",
            "copilot -p PROMPT --allow-all-tools --no-ask-user --no-auto-update"
            " --output-format json",
            "copilot -p PROMPT --allow-all-tools --no-ask-user --no-auto-update"
            " --output-format json --model M --resume=S",
        ),
        (
            "cursor",
            "cursor-agent -p --output-format stream-json --force --trust PROMPT",
            "cursor-agent -p --output-format stream-json --force --trust --model M --resume S"
            " PROMPT",
        ),
        (
            "aider",
            "aider --message-file /round/prompt.md --yes-always --no-stream --no-auto-commits",
            "aider --message-file /round/prompt.md --yes-always --no-stream --no-auto-commits"
            " --model M",
        ),
        (
            "opencode",
            "opencode run --format json --auto PROMPT",
            "opencode run --format json --auto --model M -s S PROMPT",
        ),
        ("shell", "/bin/sh /round/prompt.md", "/bin/sh /round/prompt.md"),
    ],
)
def test_the_presets_invocations(name: str, fresh: str, resumed: str) -> None:
    runtime = PRESETS[name]
    assert " ".join(runtime.invocation(FILE, "PROMPT").argv) == fresh
    assert " ".join(runtime.invocation(FILE, "PROMPT", "S", "M").argv) == resumed


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_is_whole(name: str) -> None:
    runtime = PRESETS[name]
    invocation = runtime.invocation(FILE, "PROMPT", "S", "M")
    assert runtime.reader in READERS
    assert not any("{" in argument for argument in invocation.argv)
    by = {"stdin": invocation.stdin == FILE, "argument": "PROMPT" in invocation.argv}
    by["file"] = str(FILE) in invocation.argv
    assert [way for way, used in by.items() if used] == [runtime.prompt]
    assert runtime.install or name in ("shell", "rehearsal")


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_has_every_mode_or_none_but_bypass(name: str) -> None:
    runtime = PRESETS[name]
    held_to = ["bypass", "edit", "read"] if name in BOUND else ["bypass"]
    assert list(runtime.permissions) == held_to
    plain = runtime.invocation(FILE, "PROMPT").argv
    for mode in PERMISSIONS:
        if mode in runtime.permissions:
            argv = runtime.invocation(FILE, "PROMPT", "S", "M", mode).argv
            asked = " ".join(runtime.allowing(mode))
            assert asked in " ".join(argv)
            assert argv.count("PROMPT") == plain.count("PROMPT")
            assert [word for word in argv if BYPASSES.search(word) and mode != "bypass"] == []
        else:
            with pytest.raises(BadInput, match=f"'{name}' cannot be held to .*'{mode}'") as refused:
                runtime.invocation(FILE, "PROMPT", mode=mode)
            assert "(it has bypass)" in refused.value.message
            assert f"agent_clis.{name}.permissions" in refused.value.hint


def test_a_mode_stands_where_the_command_says_and_nothing_replaces_it() -> None:
    braces = ("-c", 'p={extends=":x",network={enabled=true}}')
    runtime = Runtime(
        name="x", argv=("x", "{permissions}", "-"), permissions={"bypass": (), "read": braces}
    )
    assert runtime.invocation(FILE, "p", mode="read").argv == ("x", *braces, "-")
    assert runtime.invocation(FILE, "p").argv == ("x", "-")


def test_a_prompt_that_quotes_placeholders_is_left_alone() -> None:
    runtime = Runtime(name="x", argv=("x", "{prompt}", "{session}"), prompt="argument")
    argv = runtime.invocation(FILE, "use {session}, {model} and {prompt_file}", "S").argv
    assert argv == ("x", "use {session}, {model} and {prompt_file}", "S")


@pytest.mark.parametrize(
    ("prompt", "fits"),
    [
        ("x" * ARGUMENT_LIMIT, True),
        ("x" * (ARGUMENT_LIMIT + 1), False),
        ("ü" * (ARGUMENT_LIMIT // 2 + 1), False),
        ("a\0b", False),
        ("\udcff", True),
    ],
)
def test_what_cannot_be_an_argument_is_read_from_the_file(prompt: str, fits: bool) -> None:
    argument = PRESETS["cursor"].invocation(FILE, prompt).argv[-1]
    pointer = "Read the file /round/prompt.md and do what it says."
    assert argument == (prompt if fits else pointer)


def test_a_runtime_without_sessions_ignores_one() -> None:
    assert PRESETS["aider"].invocation(FILE, "p", session="S") == PRESETS["aider"].invocation(
        FILE, "p"
    )
    assert PRESETS["shell"].invocation(FILE, "p") == Invocation(("/bin/sh", str(FILE)), None)


def test_executables_are_found_on_the_given_path_only(tmp_path: Path) -> None:
    runtime = Runtime(name="x", argv=("agent-cli",))
    assert executable(runtime, str(tmp_path)) is None
    program = tmp_path / "agent-cli"
    program.write_text("#!/bin/sh\n")
    assert executable(runtime, str(tmp_path)) is None  # not executable
    program.chmod(0o755)
    assert executable(runtime, str(tmp_path)) == str(program)
    assert executable(runtime, "") is None
    relative = Runtime(name="x", argv=("./agent-cli",))
    assert executable(relative, "", tmp_path) == str(program)
    assert executable(relative, "", tmp_path / "elsewhere") is None
