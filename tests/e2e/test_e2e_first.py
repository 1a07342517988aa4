"""What a newcomer reads when something is wrong: the whole line, its exit code, nothing changed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.town import Home, TownUnderTest

#: Names, where one is needed, as they are explained everywhere.
NAME = "1 to 64 of A-Z a-z 0-9 . _ - and a letter or digit first"
#: What was typed, and the line in return. In the town: `dev` is idle, `off` is paused, `t1` is
#: completed, `t2` waits for a person's approval, which the question `m1` asks for.
LINES = {
    # Words that are missing, too many, or misspelt.
    "assign": "AGENT is missing (tt assign AGENT TEXT)",
    "assign dev": "TEXT is missing (tt assign AGENT TEXT)",
    "assign dev Build it": "'it' is a word too many (tt assign AGENT TEXT; a text goes in quotes)",
    "reject t2": "REASON is missing (tt reject TASK REASON)",
    "send": "TEXT is missing (tt send [TO] TEXT)",
    "answer m1": "TEXT is missing (tt answer M TEXT)",
    "save": "FILE is missing (tt save FILE)",
    "list extra": "'extra' is a word too many (tt list)",
    "frobnicate": "there is no command 'frobnicate' (tt --help)",
    "statsu": "there is no command 'statsu' (did you mean status?)",
    "task shwo t1": "tt task has no command 'shwo' (did you mean show?)",
    "sync sideways": "tt sync has no command 'sideways' (tt sync --help)",
    "list --colour": "there is no option --colour (tt list --help)",
    "assign dev x --prioritty low": "there is no option --prioritty (did you mean --priority?)",
    "assign dev x --priority": "--priority needs a value",
    "spawn b --foreground=yes": "--foreground takes no value",
    # Values that are not what they should be.
    "assign dev x --priority soon": (
        "--priority is one of low, normal, high, urgent, not 'soon' (tt assign --help)"
    ),
    "spawn b --max-rounds 0": (
        "--max-rounds is a whole number from 1 on, not '0' (tt spawn --help)"
    ),
    "task list --limit 5000": (
        "--limit is a whole number from 1 to 1,000, not '5000' (tt task list --help)"
    ),
    "wait --timeout soon": "--timeout is a number from 0 on, not 'soon' (tt wait --help)",
    "report --since yesterday": "'yesterday' is no length of time (30m, 12h, 2d)",
    "assign dev ''": "the text is empty (say what it is about)",
    "conductor goal ''": "the goal is empty (say what it is about)",
    "spawn 'a b'": f"'a b' cannot be the name of an agent ({NAME})",
    "spawn conductor": "'conductor' is a reserved word (choose another name)",
    "spawn b --permissions all": "'all' is no permission mode (one of read, edit, bypass)",
    "spawn b --instructions @none.md": (
        "none.md cannot be read: No such file or directory (after @ comes the name of a file)"
    ),
    "assign dev x --join 3": "join = 3, but it depends on 0 tasks (a smaller number, or all)",
    # Names of what is not there.
    "assign nobody x": "there is no agent 'nobody' in this town (tt list)",
    "assign de x": "there is no agent 'de' in this town (did you mean dev?)",
    "assign role:qa x": (
        "there is no agent with the role 'qa' in this town (tt spawn NAME --role ROLE)"
    ),
    "assign conductor x": 'the conductor takes no tasks (tt send conductor "…")',
    "task move t2 Supervisor": 'the conductor takes no tasks (tt send conductor "…")',
    "task show t99": "there is no task 't99' in this town (tt task list)",
    "assign dev x --after t99": "there is no task 't99' in this town (tt task list)",
    "thread m99": "there is no message 'm99' (tt inbox --all)",
    "answer m99 yes": "there is no open question 'm99' (tt inbox conductor)",
    "plan status": "there is no plan 'main' in this town (tt plan list)",
    "plan": "there is no tasks.toml in this town (tt plan --init)",
    "conductor": "there is no plan to conduct (write tasks.toml, then: tt sync push)",
    "spawn b --parent nobody": "there is no agent 'nobody' in this town (tt list)",
    "config max_agent": "there is no setting 'max_agent' (did you mean town.max_agents?)",
    "towns --forget /nowhere": "no town is registered at /nowhere (tt towns)",
    "-t /nowhere status": "--town: there is no town in /nowhere (tt init)",
    # What cannot be done as things are.
    "spawn dev --cli claude": (
        "agent dev is there with other options: cli is scripted"
        " (choose another name, or end this one first: tt kill dev && tt prune)"
    ),
    "assign dev x --review dev": (
        "dev would review its own work (another agent, or a role: role:reviewer)"
    ),
    "task complete": "which task? (tt task list)",
    "task current": "a person has no current task (tt task current NAME)",
    "task edit t2": "nothing to change (--text, --priority, --agent or --tag)",
    "task edit t1 --text x": (
        "task t1 is completed: it cannot be edited any more (tt task show t1)"
    ),
    "task retry t1": "task t1 is completed: retry is not possible (that is final)",
    "approve t1": "task t1 is completed and waits for no approval (tt inbox conductor)",
    "reject t1 No": "task t1 is completed and waits for no approval (tt inbox conductor)",
    "answer m1 perhaps": "'perhaps' is neither yes nor no (yes, or: no, because …)",
    "ask 'Which one?'": 'a person asks agents, not people (tt send AGENT --query "…")',
    "backlog claim t1 dev": ("task t1 is not in the backlog: it is owned by dev (tt backlog list)"),
    "send dev Hi --info --ack": "a message is one of --info and --ack, not both (choose one)",
    "send dev Hi --interrupt": "only an urgent message interrupts a round (--urgent --interrupt)",
    "send --all dev Hi": 'a message needs one receiver and one text (tt send --all "TEXT")',
    "resume dev": "agent dev is neither paused nor held (tt list)",
    "attach dev": "tt attach works on a terminal only (run it in one, without pipes)",
    "plan --check status": "tt plan status takes no such option (tt plan status --help)",
    "conductor --spawn status": (
        "tt conductor status takes no such option (tt conductor status --help)"
    ),
    "reclaim --to dev --to-backlog": "--to and --to-backlog are two answers (choose one)",
    "reset": "tt reset asks first, and this is no terminal (tt reset --force)",
    "config max_agents many": (
        "town.max_agents must be a whole number from 1 to 10000, not 'many'"
    ),
    "config default_cli clade": "there is no CLI 'clade' (did you mean claude?)",
    "config redis.url foo": (
        "redis.url belongs in the home's config.toml"
        " (outside of every town: tt config redis.url VALUE)"
    ),
    "save /nowhere/x": "/nowhere/x cannot be written: No such file or directory",
}


@pytest.fixture(scope="module")
def lived_in(shared_home: Home, tmp_path_factory: pytest.TempPathFactory) -> TownUnderTest:
    """A town in which some things have happened."""
    town = shared_home.town(tmp_path_factory.mktemp("lived-in") / "town")
    town.team("dev", "off")
    town.assign("dev")
    town.wait("dev")
    town.quick("interrupt", "off")
    town.assign("off", options=("--approve",))
    return town


@pytest.mark.parametrize("typed", LINES)
def test_a_mistake_is_one_line_that_helps(typed: str, lived_in: TownUnderTest) -> None:
    before = picture(lived_in)
    done = lived_in.quick(*shlex.split(typed), code=2)
    assert (done.err, done.out) == (f"tt: {LINES[typed]}\n", "")
    assert picture(lived_in) == before


def picture(town: TownUnderTest) -> tuple[object, list[Path]]:
    """The last event of a town, and its files."""
    return town.see("status")["event"], sorted(town.directory.iterdir())


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Home]:
    """A home whose daemon does not start; should it, it is ended."""
    home = Home(tmp_path / "home", "")
    yield home
    (home.path / "config.toml").write_text("")
    home.end(tmp_path)


@pytest.mark.parametrize(
    ("config", "code", "line"),
    [
        (
            "[town\n",
            2,
            "{config}:1: not valid TOML: expected ']' at the end of a table declaration"
            ' (every line is key = value or [table]; texts stand in "quotes")',
        ),
        (
            "[town]\nmax_agnets = 3\n",
            2,
            "{config}:2: unknown key town.max_agnets (did you mean town.max_agents?)",
        ),
    ],
)
def test_a_daemon_that_does_not_start_says_why(
    config: str, code: int, line: str, fresh: Home
) -> None:
    file = fresh.path / "config.toml"
    file.write_text(config)
    done = fresh.quick("towns", cwd=fresh.path, code=code)
    assert done.err == f"tt: tinytownd does not start: {line.format(config=file)}\n"


def test_places_that_cannot_be_used(fresh: Home, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = fresh.run("tt", "towns", cwd=tmp_path, TINYTOWN_HOME=str(tmp_path / "file"))
    why = f"{tmp_path}/file cannot be used as the home: it is no directory"
    assert told.err == f"tt: {why} (set TINYTOWN_HOME to a directory of yours)\n"
    gone = "mkdir gone && cd gone && rmdir ../gone && tt status"
    told = fresh.run("sh", "-c", gone, cwd=tmp_path)
    assert (told.code, told.err) == (
        2,
        "tt: the directory that you are in is gone (cd to another)\n",
    )
    told = fresh.run("tt", "status", cwd=tmp_path, TINYTOWN_CREDENTIALS="/nowhere")
    line = "this agent's credentials cannot be read: /nowhere: No such file or directory"
    hint = "its round is over; outside a round, unset TINYTOWN_CREDENTIALS"
    assert (told.code, told.err) == (3, f"tt: {line} ({hint})\n")


def test_what_to_do_first_from_nothing_to_a_finished_task(fresh: Home, tmp_path: Path) -> None:
    """Whoever does what `tt` alone proposes gets a task done, without an account."""
    directory = tmp_path / "shop"
    directory.mkdir()
    (fresh.path / "config.toml").write_text('[env]\nREHEARSAL_SECONDS = "0"\n')
    fresh.env["PATH"] = f"{fresh.env['PATH'].split(':')[0]}:/usr/bin:/bin"
    states, proposed = list[str](), ""
    while proposed != "tt report" and len(states) < 9:
        told = fresh.tt("--json", cwd=directory).data
        states.append(told["state"])
        steps = [step["command"] for step in told["next"]]
        proposed = "tt wait --all" if "tt wait --all" in steps else steps[0]
        fresh.tt(*shlex.split(proposed)[1:], cwd=directory)
    assert [one for one in states if one != "working"] == [
        *("no_town", "no_agents", "no_work", "done"),
    ]
