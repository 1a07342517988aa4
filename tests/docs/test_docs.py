"""The reference pages say what the programs do: commands, settings, runtimes, shapes, links."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tests.cli import shapes
from tests.docs.pages import PAGES, ROOT, names, page, rows, sections
from tinytown_cli import app, options, wording
from tinytownd.config import load_home
from tinytownd.domain import errors
from tinytownd.domain.agent import Agent
from tinytownd.domain.message import Message, Round
from tinytownd.domain.meta import Meta
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.handlers import home, views
from tinytownd.runtimes.catalogue import PRESETS, Runtime
from tinytownd.runtimes.readers import READERS
from tinytownd.runtimes.tables import from_table
from tinytownd.settings import KEYS, Key
from tinytownd.supervisor import prompt

SHARED = {"--town", "--json"}


COMMANDS, JSON, RUNTIMES, CONFIGURATION = map(
    page, ("commands.md", "json.md", "runtimes.md", "configuration.md")
)


# Commands


def walk() -> dict[str, Any]:
    """Every command that can be run, by the words that are typed."""
    root = typer.main.get_command(app.tinytown)
    found = {}
    for name in app.COMMANDS:
        command = root.get_command(None, name)  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        # A group without a callback of its own prints its help.
        if inner is None or command.callback is not None:
            found[f"tt {name}"] = command
        found |= {f"tt {name} {word}": one for word, one in (inner or {}).items()}
    return found


TREE = walk()
TOLD = {
    title: text
    for file in (ROOT / "docs" / "commands").glob("*.md")
    for title, text in sections(file.read_text(encoding="utf-8"), 1).items()
}


def file_of(name: str) -> str:
    """The page of a command, as `commands.md` links to it."""
    return f"commands/{name.removeprefix('tt ').replace(' ', '-')}.md"


def own_options(command: Any) -> dict[str, Any]:
    """An option's last spelling → the option, without those that every command has."""
    options = [one for one in command.params if one.param_type_name == "option"]
    return {one.opts[-1]: one for one in options if one.opts[-1] not in SHARED}


def about(command: Any) -> str:
    """The first line of a command's help."""
    return str(command.help or "").split("\n", 1)[0]


def usage(name: str, command: Any) -> str:
    """The line that shows how a command is typed."""
    parts = [name]
    for one in command.params:
        if one.param_type_name == "argument":
            bare = one.required or one.metavar.startswith("[")
            parts.append(one.metavar if bare else f"[{one.metavar}]")
    for one in own_options(command).values():
        value = f" {one.metavar}" if one.metavar else ""
        parts.append(f"[{one.opts[0]}{value}]" + "..." * one.multiple)
    return " ".join(parts)


def test_every_command_has_its_page_and_no_other() -> None:
    assert set(TOLD) == set(TREE)
    pages = {f"commands/{file.name}" for file in (ROOT / "docs" / "commands").iterdir()}
    assert pages == {file_of(name) for name in TREE}


def test_the_list_has_every_command_with_the_first_line_of_its_help() -> None:
    listed = [row for row in rows(COMMANDS) if row[0].startswith("[`tt ")]
    expected = {f"[`{name}`]({file_of(name)})": about(one) for name, one in TREE.items()}
    assert dict(listed) == expected
    assert len(listed) == len(expected)


@pytest.mark.parametrize("name", TREE)
def test_a_page_begins_with_the_first_line_of_the_help(name: str) -> None:
    assert TOLD[name].split("\n")[1] == about(TREE[name])


@pytest.mark.parametrize("name", TREE)
def test_a_page_shows_how_the_command_is_typed(name: str) -> None:
    shown = re.search(r"^    (tt .*\n(?:     +\S.*\n)*)", TOLD[name], flags=re.MULTILINE)
    assert shown is not None
    assert " ".join(shown[1].split()) == usage(name, TREE[name])


@pytest.mark.parametrize("name", TREE)
def test_a_page_has_every_option_and_no_other(name: str) -> None:
    told = [
        word
        for row in rows(TOLD[name])
        for spelling in re.findall(r"`(-[^`]*)`", row[0])
        if (word := spelling.split()[0]).startswith("--")
    ]
    assert sorted(told) == sorted(own_options(TREE[name]))


@pytest.mark.parametrize("name", TREE)
def test_examples_of_the_page_and_of_the_help_are_real_commands(name: str) -> None:
    examples = re.findall(r"^    \$ tt (.+)$", TOLD[name], flags=re.MULTILINE)
    examples += re.findall(r"^  tt (.+)$", TREE[name].epilog or "", flags=re.MULTILINE)
    for example in examples:
        words = shlex.split(example)
        depth = 2 if f"tt {' '.join(words[:2])}" in TREE else 1
        command = TREE[f"tt {' '.join(words[:depth])}"]
        command.make_context(name, words[depth:], resilient_parsing=False)


def test_the_shared_options_are_told_once() -> None:
    general = sections(COMMANDS, 2)["In general"]
    assert {"-t", "--json", "--help"} <= set(names(general))
    assert "--version" in general


def test_exit_codes_are_those_of_the_programs() -> None:
    told = {int(row[0]): row[1] for row in rows(sections(COMMANDS, 3)["Exit codes"])}
    raised = {one.exit_code for one in vars(errors).values() if is_error(one)}
    assert set(told) == {errors.OK, *raised, options.INTERRUPTED}
    known = re.findall(r"(\d) ([^,.]+)", app.EXIT_CODES)
    assert [told[int(code)].startswith(meaning) for code, meaning in known] == [True] * 5


def is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, errors.TownError)


# The shapes of --json


TASK = Task(id="t1", description="x", seq=1)


def town() -> Town:
    return Town(Meta(id="x", name="x", dir="/x"), [TASK])


SHAPES: Mapping[str, views.View] = {
    "A task": views.task(town(), TASK),
    "An agent": views.agent(town(), Agent(id="a1", name="x", cli="x")),
    "A message": views.message(Message(id="m1", sender="x", to="x", text="x")),
    "A round": views.round_(town(), Round(id="1", agent="x", token="x")),
    "A plan": views.plan(town()),
}


def test_the_client_is_tested_with_the_published_shapes() -> None:
    scripted = (shapes.task(), shapes.agent(), shapes.message(), shapes.ROUND, shapes.plan())
    assert [set(one) for one in scripted] == [set(one) for one in SHAPES.values()]


@pytest.mark.parametrize("title", SHAPES)
def test_a_shape_is_told_field_by_field(title: str) -> None:
    assert names(sections(JSON, 2)[title]) == list(SHAPES[title])


def test_every_event_of_the_protocol_has_its_sentence() -> None:
    listed = sections(page("protocol.md"), 2)["Events"].split("change:")[1]
    assert sorted(re.findall(r"[a-z]+\.[a-z_]+", listed)) == sorted(wording.SENTENCES)


# Configuration


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: str(key.name))
def test_a_setting_is_told_with_default_range_and_scope(key: Key) -> None:
    row = next(row for row in rows(CONFIGURATION) if row[0] == f"`{key.name}`")
    default = json.dumps(key.default)  # as TOML has it, too
    assert row[1:] == [f"`{default}`", key.wants, ", ".join(key.scopes), key.doc]


def test_no_setting_is_told_that_is_not_there() -> None:
    files, *told = (re.findall(r"`([^`]+)`", row[0])[0] for row in rows(CONFIGURATION))
    assert [files, told[0]] == ["tinytown.toml", "config.toml"]
    assert sorted(told[1:]) == sorted(KEYS)


def test_a_setting_is_found_by_its_last_part(tmp_path: Path) -> None:
    rows = home.settings(load_home(tmp_path / "config.toml"), "attempts")
    assert [row["key"] for row in rows] == ["limits.attempts"]


# Runtimes


def catalogue(column: int) -> dict[str, list[str]]:
    tables = re.findall(r"(?:^\|.*\|\n)+", sections(RUNTIMES, 2)["The catalogue"], re.MULTILINE)
    return {row[0].strip("`"): row[1:] for row in rows(tables[column])}


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: str(preset.name))
def test_a_preset_is_told_as_it_is(preset: Runtime) -> None:
    command, prompt, reader = catalogue(0)[preset.name]
    if preset.name != "rehearsal":  # its command is where Python happens to be
        assert tuple(shlex.split(command.strip("`"))) == preset.argv
    assert (prompt, reader) == (preset.prompt, f"`{preset.reader}`")
    model, resume, _ = catalogue(1)[preset.name]
    assert model.split(",")[0] == (f"`{' '.join(preset.model)}`" if preset.model else "")
    assert (preset.default_model or "") in model
    assert resume == (f"`{' '.join(preset.resume)}`" if preset.resume else "keeps no sessions")


def test_no_preset_is_told_that_is_not_there() -> None:
    assert list(catalogue(0)) == list(catalogue(1)) == list(PRESETS)
    assert set(catalogue(2)) == set(READERS)


def test_how_to_get_a_cli_is_told_as_the_catalogue_has_it() -> None:
    for name, (_, _, told) in catalogue(1).items():
        same = PRESETS["codex"].install if told == "as codex" else told.strip("`")
        assert same == PRESETS[name].install


def test_the_tables_of_the_page_can_be_read(tmp_path: Path) -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```$", RUNTIMES, flags=re.MULTILINE | re.DOTALL)
    tables = [block for block in blocks if "[agent_clis." in block]
    assert len(tables) >= 4
    for number, block in enumerate(tables):
        file = tmp_path / f"{number}.toml"
        file.write_text(block)
        for name, table in load_home(file).agent_clis.items():
            assert from_table(name, table).argv


def test_a_shell_is_never_given_prose() -> None:
    prose = Task(id="t1", description="$(rm x); `rm y`", seq=1)
    command = Task(id="t2", description="Lint", seq=2, run="make lint")
    hand = Agent(id="a1", name="hand", cli="shell", instructions="rm z")
    told = prompt.write(town(), hand, prose, [])
    assert "rm" not in told
    assert told.splitlines()[-1] == "exit 2"
    assert prompt.write(town(), hand, command, []) == "make lint\n"


# Links


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = file.parent / path if path else file
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def prose(text: str) -> str:
    """The text without fenced blocks, indented blocks and code."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    # A link's text may be code: only the marks go.
    return text.replace("`", "")


def anchors(text: str) -> list[str]:
    """A heading's anchor as GitHub makes it; the same heading again gets a number."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", prose(text), flags=re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
        again = sum(re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", one) is not None for one in found)
        found.append(f"{anchor}-{again}" if again else anchor)
    return found
