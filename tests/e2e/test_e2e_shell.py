"""Names of a real town: completed while they are typed, and guessed when they are misspelt."""

from __future__ import annotations

import pytest

from tests.e2e.town import TownUnderTest


def offered(town: TownUnderTest, *typed: str) -> list[str]:
    """What is offered in the place of the last word: by the program, as a shell runs it."""
    done = town.home.run("tt", "__complete", "zsh", *typed, cwd=town.directory)
    assert done.code == 0
    assert not done.err
    kind, *lines = done.out.splitlines()
    assert kind == "words"
    return [line.partition("\t")[0] for line in lines]


def test_names_of_the_town_are_completed(town: TownUnderTest) -> None:
    town.quick("spawn", "developer", "--role", "the builder", "--tag", "web")
    town.quick("backlog", "add", "Wait", "--tag", "slow")
    town.quick("send", "--all", "Hello")
    ids = [one["id"] for one in town.see("backlog", "list")]
    mail = [one["id"] for one in town.see("inbox", "--all")]
    assert offered(town, "kill", "") == ["developer"]
    assert offered(town, "assign", "") == ["developer", "role:the builder"]
    assert offered(town, "task", "show", "") == ids
    assert offered(town, "spawn", "x", "--tag", "") == ["web", "slow"]
    assert offered(town, "thread", "") == mail
    assert offered(town, "plan", "pause", "") == []
    assert "limits.attempts" in offered(town, "config", "")
    assert str(town.directory) in offered(town, "-t", "")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("spawn", "x", "--cli", "cluade"), "claude"),
        (("spawn", "x", "--fallback", "codx"), "codex"),
        (("task", "list", "--state", "runing"), "running"),
        (("kill", "develper"), "developer"),
        (("completion", "bahs"), "bash"),
    ],
)
def test_names_are_guessed(words: tuple[str, ...], meant: str, town: TownUnderTest) -> None:
    town.quick("spawn", "developer")
    assert town.quick(*words, code=2).err.endswith(f" (did you mean {meant}?)\n")


def test_a_town_beside_is_guessed(town: TownUnderTest) -> None:
    near, far = town.directory.parent / "twon", town.directory / "nowhere" / "at-all"
    done = town.home.quick("list", cwd=near, code=2)
    assert done.err == f"tt: --town: there is no town in {near} (did you mean town?)\n"
    done = town.home.quick("list", cwd=far, code=2)
    assert done.err == f"tt: --town: there is no town in {far} (tt init)\n"
    done = town.quick("towns", "--forget", str(near), code=2)
    assert done.err.endswith(f" (did you mean {town.directory}?)\n")
