from pathlib import Path

import pytest

from tinytownd.domain.errors import BadInput
from tinytownd.runtimes.catalogue import PRESETS, Invocation, Runtime
from tinytownd.runtimes.tables import from_table

FILE = Path("/round/prompt.md")


def test_a_command_is_enough() -> None:
    runtime = from_table("mine", {"command": "prog --flag 'two words'"})
    assert runtime == Runtime(name="mine", argv=("prog", "--flag", "two words"))
    assert runtime.invocation(FILE, "p", "S", "M") == Invocation(
        ("prog", "--flag", "two words"), FILE
    )


@pytest.mark.parametrize(
    ("table", "argv"),
    [
        ({"command": ["p", "a b"]}, ["p", "a b"]),
        ({"command": "p", "prompt": "argument"}, ["p", "PROMPT"]),
        ({"command": "p --do={prompt} -x", "prompt": "argument"}, ["p", "--do=PROMPT", "-x"]),
        ({"command": "p", "prompt": "file"}, ["p", str(FILE)]),
        ({"command": "p -f {prompt_file}", "prompt": "file"}, ["p", "-f", str(FILE)]),
        ({"command": "p -", "model": "-m {model}"}, ["p", "-", "-m", "M"]),
        ({"command": "p {model} -", "model": "-m {model}"}, ["p", "-m", "M", "-"]),
        ({"command": "p", "resume": ["-r", "{session}"]}, ["p", "-r", "S"]),
        ({"command": "p", "permissions": {"bypass": "--all", "read": "-r"}}, ["p", "--all"]),
        ({"command": "p {permissions} -", "permissions": {"bypass": ["a b"]}}, ["p", "a b", "-"]),
        (
            {
                "command": "p",
                "permissions": {"bypass": "-y"},
                "resume": "-r={session}",
                "model": "-m {model}",
                "prompt": "argument",
            },
            ["p", "-y", "-m", "M", "-r=S", "PROMPT"],
        ),
    ],
)
def test_where_things_go(table: dict[str, object], argv: list[str]) -> None:
    invocation = from_table("mine", table).invocation(FILE, "PROMPT", "S", "M")
    assert list(invocation.argv) == argv
    assert invocation.stdin == (None if "prompt" in table else FILE)


def test_a_preset_keeps_what_is_not_changed() -> None:
    changed = from_table("claude", {"env": {"IS_SANDBOX": "1"}})
    assert changed.env == {"IS_SANDBOX": "1"}
    assert changed.argv == PRESETS["claude"].argv
    assert from_table("auggie", {}) == PRESETS["auggie"]


def test_a_mode_of_ones_own_goes_over_the_presets() -> None:
    changed = from_table("claude", {"permissions": {"edit": "--mine"}})
    assert changed.permissions == {**PRESETS["claude"].permissions, "edit": ("--mine",)}
    assert from_table("aider", {"permissions": {"read": ""}}).allowing("read") == ()
    asking = from_table("auggie", {"permissions": {"read": "--ask"}})
    assert asking.invocation(FILE, "p", "S", "M", "read").argv[-1] == "--ask"
    assert asking.invocation(FILE, "p", "S", "M").argv == (
        PRESETS["auggie"].invocation(FILE, "p", "S", "M").argv
    )


def test_a_command_of_ones_own_decides_itself() -> None:
    for table in ({"command": "p"}, {"command": "p", "permissions": {}}):
        assert dict(from_table("claude", table).permissions) == {"bypass": ()}
    read = from_table("mine", {"command": "p", "permissions": {"read": "-r"}})
    assert read.permissions == {"bypass": (), "read": ("-r",)}
    assert read.invocation(FILE, "p", mode="read").argv == ("p", "-r")


def test_a_presets_own_command_starts_from_nothing() -> None:
    moved = from_table("auggie", {"command": "/opt/agent --print"})
    assert moved == Runtime(name="auggie", argv=("/opt/agent", "--print"))


@pytest.mark.parametrize(
    ("name", "table", "message", "hint"),
    [
        ("mine", {}, "has no command", 'add command = "…"'),
        ("claud", {"env": {}}, "has no command", "did you mean claude?"),
        ("mine", {"command": "p", "promt": "stdin"}, "'promt'", "did you mean prompt?"),
        ("mine", {"command": "p", "colour": "red"}, "'colour'", "known keys: command, prompt"),
        ("mine", {"command": "p", "prompt": "x"}, "'x'", "one of stdin, argument, file"),
        ("mine", {"command": ""}, "is empty", ""),
        ("mine", {"command": []}, "is empty", ""),
        ("mine", {"command": 5}, "must be text or a list of texts", ""),
        ("mine", {"command": ["p", 5]}, "must be text or a list of texts", ""),
        ("mine", {"command": "p 'open"}, "No closing quotation", ""),
        ("mine", {"command": "p\0"}, "NUL", ""),
        ("mine", {"command": "p", "prompt": "stdn"}, "'stdn'", "did you mean stdin?"),
        ("mine", {"command": "p", "prompt": True}, "must be text", ""),
        ("mine", {"command": "p", "reader": "claud"}, "'claud'", "did you mean claude?"),
        ("mine", {"command": "p", "resume": "--resume"}, "where the session goes", "{session}"),
        ("mine", {"command": "p", "model": "--model"}, "where the model goes", "{model}"),
        ("mine", {"command": "p", "env": "A=1"}, "must be a table", ""),
        ("mine", {"command": "p", "env": {"A=B": "1"}}, "'A=B'", ""),
        ("mine", {"command": "p", "env": {"A": 1}}, "env.A must be text", ""),
        ("mine", {"command": "p", "env": {"A": "\0"}}, "NUL", ""),
        ("mine", {"command": "p", "install": 1}, "must be text", ""),
        ("mine", {"command": "p", "permissions": "read"}, "must be a table", "permissions = {"),
        ("mine", {"command": "p", "permissions": {"raed": ""}}, "'raed'", "did you mean read?"),
        ("mine", {"command": "p", "permissions": {"x": ""}}, "'x'", "one of read, edit, bypass"),
        ("mine", {"command": "p", "permissions": {"read": 1}}, "permissions.read must be", ""),
        ("mine", {"command": "p", "permissions": {"read": "\0"}}, "NUL", ""),
    ],
)
def test_bad_tables_are_refused(
    name: str, table: dict[str, object], message: str, hint: str
) -> None:
    with pytest.raises(BadInput) as refused:
        from_table(name, table)
    assert f"agent_clis.{name}" in refused.value.message
    assert message in refused.value.message
    assert hint in refused.value.hint
    assert "\n" not in refused.value.message + refused.value.hint
