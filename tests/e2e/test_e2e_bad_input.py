"""Bad input: one clear line on stderr, exit code 2, and nothing changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.town import BIN, Done, Home, TownUnderTest

MIB = 1 << 20


def everything(town: TownUnderTest) -> list[Any]:
    """All that `tt` shows of the town, and its files."""
    shown = [town.see(*words) for words in (["events"], ["task", "list"], ["inbox", "--all"])]
    return [*shown, sorted(town.directory.rglob("*"))]


@pytest.fixture(scope="module")
def settled(shared_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TownUnderTest]:
    """A town with an agent that is paused and tasks that wait: nothing here may change it."""
    town = shared_home.town(tmp_path_factory.mktemp("bad") / "town")
    town.team("a")
    town.tt("interrupt", "a")
    town.plan(
        '[[tasks]]\nid = "one"\ndescription = "One"\nagent = "a"\n'
        '[[tasks]]\nid = "other"\ndescription = "Other"\nagent = "a"\nparent = "one"\n'
    )
    before = everything(town)
    yield town
    assert everything(town) == before


def refused(
    town: TownUnderTest, *words: str | bytes, stdin: str | bytes = "", code: int = 2
) -> Done:
    """Runs it: refused in one line on stderr."""
    done = town.tt(*words, code=code, stdin=stdin)
    assert done.out == ""
    assert done.err.startswith("tt: ")
    assert done.err.count("\n") == 1, done.err
    return done


NAMES = [
    *("two words", "a/b", "..", "a..b", "", "tab\there", "new\nline", "\x1b[31m", "x" * 65, "é"),
    *("conductor", "Supervisor", "all", "person", "backlog", ".hidden", "-dash", "_line"),
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names(settled: TownUnderTest, name: str) -> None:
    assert refused(settled, "spawn", "--", name).err.strip().isprintable()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        (b"x" * (MIB + 1), "1 MiB"),
        (b"a\0b", "NUL"),
        (b"caf\xe9", "not UTF-8"),
    ],
    ids=["empty", "blank", "too long", "NUL", "not UTF-8"],
)
def test_texts(settled: TownUnderTest, text: bytes, why: str) -> None:
    assert why in refused(settled, "assign", "a", "-", stdin=text).err
    assert why in refused(settled, "send", "a", "-", stdin=text).err


def test_a_text_of_exactly_1_mib_is_taken(town: TownUnderTest) -> None:
    town.team("a")
    town.tt("interrupt", "a")
    town.tt("assign", "a", "-", stdin=b"x" * MIB)
    assert len(town.task("t1")["description"]) == MIB


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("task", "show", "zzz"), "no task 'zzz'"),
        (("task", "show", "o"), "fits 2 tasks"),
        (("task", "show", ""), "no task ''"),
        (("assign", "nobody", "Work"), "no agent 'nobody'"),
        (("assign", "a", "Work", "--after", "zzz"), "no task 'zzz'"),
        (("assign", "a", "Work", "--priority", "huge"), "huge"),
        (("assign", "a"), "TEXT"),
        (("assign", "a", b"caf\xe9"), "not UTF-8"),
        (("send", "nobody", "Hi"), "no agent 'nobody'"),
        (("send", "a", "Hi", "--reply-to", "m99"), "no message 'm99'"),
        (("send", "a", "Hi", "--from", "two words"), "two words"),
        (("spawn", "b", "--cli", "nothing"), "no CLI 'nothing'"),
        (("spawn", "b", "--parent", "nobody"), "no agent 'nobody'"),
        (("spawn", "b", "--max-rounds", "0"), "max-rounds"),
        (("spawn", "b", "--instructions", "@nothing.md"), "nothing.md"),
        (("kill", "nobody"), "no agent 'nobody'"),
        (("task", "edit", "one"), "nothing to change"),
        (("task", "retry", "one"), "one"),
        (("backlog", "claim", "one", "a"), "not in the backlog"),
        (("inbox", "nobody"), "no agent 'nobody'"),
        (("wait", "nobody"), "no agent 'nobody'"),
        (("config", "town.nothing"), "no setting 'town.nothing'"),
        (("config", "max_agents", "many"), "whole number"),
        (("frobnicate",), "no command 'frobnicate'"),
        (("list", "--colour"), "--colour"),
        (("history", "--limit", "x"), "limit"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_refusals(settled: TownUnderTest, words: tuple[str | bytes, ...], why: str) -> None:
    assert why in refused(settled, *words).err


PLANS = {
    "empty": ("", "tasks"),
    "a key unknown": ('[[tasks]]\nid = "x"\ndescription = "X"\nagnet = "a"\n', "agnet"),
    "twice the same id": ('[[tasks]]\nid = "x"\ndescription = "X"\n' * 2, "x"),
    "a reference unknown": (
        '[[tasks]]\nid = "x"\ndescription = "X"\ndepends_on = ["y"]\n',
        "tasks.toml:4: ",
    ),
    "a cycle": ('[[tasks]]\nid = "x"\ndescription = "X"\ndepends_on = ["x"]\n', "x"),
    "a wrong type": ('[[tasks]]\nid = 7\ndescription = "X"\n', "tasks.toml:2: "),
    "no TOML": ("[[tasks]\n", "tasks.toml:1: "),
}


@pytest.mark.parametrize("name", PLANS)
def test_broken_plans(settled: TownUnderTest, name: str) -> None:
    text, why = PLANS[name]
    file = settled.directory / "tasks.toml"
    good = file.read_text()
    file.write_text(text)
    try:
        for words in (("sync", "push"), ("plan",)):
            assert why in settled.tt(*words, code=2).err
    finally:
        file.write_text(good)


def test_a_plan_that_is_not_text_or_not_there(settled: TownUnderTest) -> None:
    file = settled.directory / "tasks.toml"
    good = file.read_bytes()
    try:
        file.write_bytes(b"# caf\xe9\n")
        assert "tasks.toml:1: the file is not UTF-8" in refused(settled, "sync", "push").err
        file.unlink()
        assert "tt plan --init" in refused(settled, "sync", "push").err
    finally:
        file.write_bytes(good)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"[town\n", "tinytown.toml:1: "),
        (b"[town]\nmax_agents = 'x'\n", "tinytown.toml:2: "),
        (b"[town]\nmax_agentz = 3\n", "did you mean"),
        (b"# \xff\n", "not UTF-8"),
    ],
    ids=["no TOML", "a wrong type", "a key unknown", "not UTF-8"],
)
def test_a_broken_tinytown_toml(settled: TownUnderTest, text: bytes, why: str) -> None:
    file = settled.directory / "tinytown.toml"
    good = file.read_bytes()
    file.write_bytes(text)
    try:
        assert why in refused(settled, "spawn", "b").err
        assert why in refused(settled, "config").err
        settled.tt("task", "list")
    finally:
        file.write_bytes(good)


def test_an_empty_tinytown_toml_is_all_defaults(town: TownUnderTest) -> None:
    town.write("tinytown.toml", "")
    town.team("a")
    assert town.see("config", "max_agents")[0]["origin"] == "default"


def test_no_town(shared_home: Home, tmp_path: Path) -> None:
    for words in (("list",), ("assign", "a", "x"), ("-t", str(tmp_path / "none"), "list")):
        done = shared_home.tt(*words, cwd=tmp_path, code=2)
        assert "tt init" in done.err
        assert done.err.count("\n") == 1
    other = shared_home.run(
        str(BIN / "tt"), "list", cwd=tmp_path, TINYTOWN_TOWN=str(tmp_path / "none")
    )
    assert (other.code, other.out) == (2, "")
    assert list(tmp_path.iterdir()) == []
