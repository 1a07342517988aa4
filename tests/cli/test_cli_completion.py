"""Completion: what is offered where, that nothing is ever waited for, and the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer.main
from hypothesis import given
from hypothesis import strategies as st

from tests.cli import shapes
from tests.cli.scripted import FakeDaemon, Tt, wait_until
from tests.cli.test_cli_transport import agent_credentials
from tests.terminal import OnTerminal
from tinytown_cli import app, candidates, completion, quick
from tinytown_cli.candidates import complete
from tinytown_cli.commandline import Line
from tinytown_cli.options import Options, chosen

BREAKS = " \t\n\"'@><=;|&(:"  # bash's COMP_WORDBREAKS
ODD = 'it\'s a "$x" role'


@pytest.fixture(autouse=True)
def _fresh() -> None:
    vars(chosen).update(vars(Options()))


@pytest.fixture
def named(daemon: FakeDaemon, town: Path) -> FakeDaemon:
    people = [shapes.agent("developer", role="dev"), shapes.agent("ann", role=ODD, tags=["web"])]
    daemon.replies["agent.list"] = shapes.listed("agents", people)
    daemon.replies["task.list"] = shapes.listed("tasks", [shapes.task("billing/api", "running")])
    daemon.replies["plan.list"] = shapes.listed("plans", [shapes.plan(name="billing")])
    return daemon


def offered(*typed: str) -> list[str]:
    return [word for word, _ in complete(typed).words]


def test_commands_and_options_need_no_daemon(empty_home: Path, town: Path) -> None:
    assert offered("") == list(app.COMMANDS)
    assert offered("task", "") == ["show", "list", *offered("task", "")[2:]]
    assert {"--role", "--tag", "--json", "-t", "--help"} <= set(offered("spawn", "x", "-"))
    assert offered("task", "list", "--state", "")[:2] == ["pending", "assigned"]
    assert "--state=failed" in offered("task", "list", "--state=")
    assert offered("nonsense", "") == offered("task", "nonsense", "") == []
    assert offered("mission", "") == []
    assert not empty_home.exists()


def test_an_option_is_offered_once_unless_it_may_be_given_again() -> None:
    assert "--role" not in offered("spawn", "--role", "r", "--")
    assert "--tag" in offered("spawn", "--tag", "t", "--")
    assert offered("list", "--", "--") == []


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("kill ", ["developer", "ann"]),
        ("task list --agent ", ["developer", "ann"]),
        ("assign ", ["developer", "role:dev", "ann", f"role:{ODD}"]),
        ("assign developer x --review ", ["developer", "role:dev", "ann", f"role:{ODD}"]),
        ("send ", ["developer", "role:dev", "ann", f"role:{ODD}"]),
        ("send developer ", []),
        ("wait developer ", ["developer", "ann"]),
        ("spawn x --role ", ["dev", ODD]),
        ("spawn ", []),
        ("backlog add x --tag ", ["web"]),
        ("task show ", ["billing/api"]),
        ("assign developer x --after ", ["billing/api"]),
        ("wait --task ", ["billing/api"]),
        ("wait --task=", ["--task=billing/api"]),
        ("plan pause ", ["billing"]),
        ("conductor --plan ", ["billing"]),
        ("init --name ", []),
        ("answer ", []),
        ("-t . kill ", ["developer", "ann"]),
    ],
)
def test_live_names(typed: str, names: list[str], named: FakeDaemon) -> None:
    assert offered(*typed.split(" ")) == names


def test_of_the_mailbox_the_open_questions(named: FakeDaemon) -> None:
    mail = [shapes.message(), shapes.question()]
    named.replies["message.inbox"] = shapes.listed("messages", mail)
    assert offered("answer", "") == ["m3"]
    assert offered("thread", "") == offered("send", "d", "--reply-to", "") == ["m1", "m3"]


def test_what_the_home_knows(named: FakeDaemon) -> None:
    assert offered("config", "")
    assert {"claude", "rehearsal"} <= set(offered("spawn", "x", "--cli", ""))
    assert offered("-t", "")
    assert complete(("-t", "/")).kind == complete(("towns", "--forget", "x")).kind == "directories"
    assert complete(("save", "")).kind == complete(("migrate", "--from", "")).kind == "files"


def test_each_kind_is_that_of_some_parameter_and_has_its_source() -> None:
    root: Any = typer.main.get_command(app.tinytown)
    names = {one.name for one in root.params}
    for group in app.COMMANDS:
        command = root.get_command(None, group)
        for one in (command, *getattr(command, "commands", {}).values()):
            names |= {name for p in one.params for name in (p.name, f"{group} {p.name}")}
    assert set(candidates.KINDS) <= names
    paths = {"files", "directories", "receivers"}
    assert set(candidates.KINDS.values()) <= paths | set(candidates.SOURCES)


def test_no_daemon_is_started_and_none_is_waited_for(
    empty_home: Path, town: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert quick.run(["__complete", "zsh", "kill", ""]) == 0
    assert capfd.readouterr() == ("words\n", "")
    assert not empty_home.exists()


def test_a_daemon_that_is_silent_is_not_waited_for(named: FakeDaemon) -> None:
    named.mute.add("agent.list")
    began = time.monotonic()
    assert offered("kill", "") == []
    assert time.monotonic() - began < 10  # a loaded machine; else a command waits for 30 s
    assert [one.verb for one in named.sent] == ["agent.list"]


def test_nothing_is_changed_for_it(named: FakeDaemon, town: Path) -> None:
    (town / ".tt" / "town").unlink()
    assert offered("kill", "") == []
    assert not named.sent  # a town without an id is not opened


def test_an_agents_process_gets_no_names(
    named: FakeDaemon, town: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYTOWN_CREDENTIALS", str(agent_credentials(named, town)))
    assert offered("kill", "") == offered("config", "") == []
    assert not named.sent


# The words of a line in bash


@given(st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), min_size=1))
def test_what_bash_is_given_is_read_back_as_it_was(name: str) -> None:
    for quote in ("", "'", '"'):
        line = Line(f"tt kill {quote}", BREAKS)
        assert line.words == ["kill", ""]
        (given,) = line.replacements([name])
        assert Line(f"tt kill {quote}{given}", BREAKS).words[-1] == name


def test_bash_replaces_only_what_follows_its_last_break() -> None:
    assert list(Line("tt assign role:d", BREAKS).replacements(["role:dev x"])) == ["dev\\ x"]
    assert list(Line("tt assign role:d", "").replacements(["role:dev x"])) == ["role:dev\\ x"]
    assert list(Line("tt assign 'role:d", BREAKS).replacements(["role:dev x"])) == ["role:dev x"]
    assert list(Line("tt kill x", BREAKS).replacements(["developer"])) == []
    assert Line("tt", BREAKS).words == [""]


# The shells


def run_in(argv: list[str], script: str) -> list[str]:
    done = subprocess.run(
        argv, input=script, env=on_path(), text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.splitlines()


def on_path() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_bash_completes(named: FakeDaemon) -> None:
    script = completion.SCRIPTS["bash"]
    for line in ("tt assi", "tt kill ", "tt assign role:", "tt task list --state=fa", "tt save "):
        script += f"COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}; _tt; "
        script += 'printf "%s|" "${COMPREPLY[@]}"; echo\n'
    assert run_in([shell("bash"), "--norc"], script) == [
        "assign|",
        "developer|ann|",
        'dev|it\\\'s\\ a\\ \\"\\$x\\"\\ role|',
        "failed|",
        "|",
    ]


def test_fish_completes(named: FakeDaemon, tmp_path: Path) -> None:
    script = f"set -gx HOME {tmp_path}\n{completion.SCRIPTS['fish']}"
    for line in ("tt assi", "tt kill a", "tt spawn x --role it"):
        script += f"complete -C {line!r}\n"
    assert run_in([shell("fish"), "--no-config"], script) == [
        "assign\tGive an agent a task, or any agent of a role.",
        f"ann\tidle, {ODD}, claude",
        f"{ODD}\tthe role of ann",
    ]


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_at_a_terminal_names_are_quoted(name: str, named: FakeDaemon, town: Path) -> None:
    argv = {"bash": ["--norc", "-i"], "zsh": ["-f", "-i"]}[name]
    setup = {"bash": "", "zsh": "autoload -Uz compinit; compinit -D -u; "}[name]
    (town / "script").write_text(completion.SCRIPTS[name])
    with OnTerminal([shell(name), *argv], town, {**on_path(), "HOME": str(town)}) as seen:
        seen.type(f"{setup}. ./script; echo rea''dy\n")
        seen.until("ready")
        # The whole name comes back as one argument.
        seen.type("tt assign role:it\t x; printf '<%s>' done\n")
        seen.until("<done>")
        wait_until(lambda: any(one.verb == "task.assign" for one in named.sent))
        (sent,) = [one for one in named.sent if one.verb == "task.assign"]
        assert sent.args["agent"] == f"role:{ODD}"
        seen.type("exit\n")
        seen.end()


def test_the_script_is_printed_or_written(
    tt: Tt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert tt("completion", "bash") == (completion.SCRIPTS["bash"], "")
    for name, place in (
        ("bash", "data/bash-completion/completions/tt"),
        ("zsh", "data/zsh/site-functions/_tt"),
        ("fish", "config/fish/completions/tt.fish"),
    ):
        out, _ = tt("completion", name, "--install")
        assert out.splitlines()[0] == f"Wrote {tmp_path / place}"
        assert (tmp_path / place).read_text() == completion.SCRIPTS[name]
    tt("completion", "tcsh", code=2)


def test_without_a_home_directory_it_says_so(tt: Tt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", "~")  # what Python is left with for a user without one
    err = tt("completion", "bash", "--install", code=2)[1]
    assert err.startswith("tt: no home directory is known for ~/.local/share")
