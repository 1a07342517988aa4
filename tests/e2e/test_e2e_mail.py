"""Mail between people and agents: who gets it, what interrupts a round, and the end of talk."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.town import BIN, Data, Home, TownUnderTest, alive, until

INIT = json.dumps({"type": "system", "subtype": "init", "session_id": "s-1"})
RESULT = json.dumps({"type": "result", "result": "built", "session_id": "s-1"})


def at_work(town: TownUnderTest) -> str:
    """The agent `a` is in a round that has a session and waits for the file `go`; its task."""
    town.quick("spawn", "a", "--cli", "talking")
    task = town.assign(
        "a", f"say {INIT}", "tt send conductor --info begun", "wait go", f"say {RESULT}"
    )
    until(town.said, "the round's beginning")
    return task


def messages(town: TownUnderTest) -> dict[str, Data]:
    """Every message of the town."""
    return {one["id"]: one for one in town.see("inbox", "--all")}


def urgent(number: int, text: str) -> str:
    """What an urgent message of a person is in a prompt."""
    return f"## m{number}: urgent request from person\n\n~~~\n{text}\n~~~\n\n"


def first(*letters: str, last: int) -> str:
    """The part of a prompt that an interrupted agent reads first."""
    answer = f'To answer: tt send person --reply-to m{last} "text"'
    return "# First, before your task\n\n" + "".join(letters) + answer + "\n\n"


# What interrupts


def test_an_interrupt_resumes_the_session_with_the_message_first(town: TownUnderTest) -> None:
    task = at_work(town)
    town.tt("send", "a", "--urgent", "--interrupt", "Use port 8080")
    before, after = town.rounds(2)
    head, body = before["prompt"].split("# Your task")
    told = first(urgent(2, "Use port 8080"), last=2)
    assert after["prompt"] == f"{head}{told}# Your task{body}"
    assert (before["argv"], after["argv"]) == ([], ["--resume", "s-1"])
    assert not alive(before["pid"])
    town.go("go")
    town.wait("--task", task)
    shown = town.task(task)
    assert (shown["attempts"], shown["result"], len(town.rounds())) == (1, "built", 2)
    assert [one["outcome"] for one in shown["rounds"]] == ["interrupted", "completed"]
    assert shown["rounds"][0]["error"] == "urgent message m2 from person"
    assert messages(town)["m2"]["state"] == "acknowledged"


def test_two_interrupts_in_a_row_lose_nothing(town: TownUnderTest) -> None:
    task = at_work(town)
    for text in ("One", "Two"):
        town.quick("send", "a", "--urgent", "--interrupt", text)
    both = first(urgent(2, "One"), urgent(3, "Two"), last=3)
    last = until(lambda: [r for r in town.rounds() if both in r["prompt"]], "a round with both")
    assert last[0]["argv"] == ["--resume", "s-1"]
    assert len(town.rounds()) in (2, 3)
    town.go("go")
    town.wait("--task", task)
    assert town.task(task)["attempts"] == 1
    assert {messages(town)[one]["state"] for one in ("m2", "m3")} == {"acknowledged"}


def test_an_interrupt_survives_the_daemon(make_home: Callable[..., Home], tmp_path: Path) -> None:
    home = make_home()
    town = home.town(tmp_path / "town")
    at_work(town)
    town.quick("send", "a", "--urgent", "--interrupt", "Use port 8080")
    pid = home.pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid), "the daemon's end")
    town.quick("list")
    after = town.rounds(2)[1]
    assert first(urgent(2, "Use port 8080"), last=2) in after["prompt"]
    assert after["argv"] == ["--resume", "s-1"]
    town.go("go")
    town.wait("--all")
    assert len(town.rounds()) == 2


def test_the_setting_interrupts_for_every_urgent_message(town: TownUnderTest) -> None:
    at_work(town)
    town.quick("send", "a", "--urgent", "Later")
    town.quick("config", "town.urgent_interrupts", "true")
    town.quick("send", "a", "--urgent", "Now")
    # The second round is the first that reads either of them.
    assert first(urgent(2, "Later"), urgent(3, "Now"), last=3) in town.rounds(2)[1]["prompt"]


def test_what_was_finished_before_the_interrupt_is_finished(town: TownUnderTest) -> None:
    town.quick("spawn", "a", "--cli", "talking")
    said = "tt send conductor --info done"
    task = town.assign("a", f"say {RESULT}", said, "wait go")
    until(town.said, "the final record")
    town.quick("send", "a", "--urgent", "--interrupt", "Wait")
    town.wait("--task", task)
    assert (town.task(task)["result"], town.task(task)["attempts"]) == ("built", 1)
    assert "# Your task" not in town.rounds(2)[1]["prompt"]


def test_a_command_is_not_interrupted(town: TownUnderTest) -> None:
    town.team("a")
    run = "touch begun; while [ ! -e go ]; do sleep 0.02; done"
    town.plan(f'[[tasks]]\nid = "t"\ndescription = "x"\nagent = "a"\nrun = "{run}"\n')
    following = subprocess.Popen(
        [BIN / "tt", "conductor"], cwd=town.directory, env=town.home.env, stdout=subprocess.DEVNULL
    )
    until((town.directory / "begun").exists, "the command")
    town.quick("send", "a", "--urgent", "--interrupt", "Wait")
    town.go("go")
    assert following.wait(40) == 0
    assert [one["outcome"] for one in town.task("t")["rounds"]] == ["completed"]
    assert "## m1: urgent request" in town.rounds(1)[0]["prompt"], "the next round reads it"


# The end of talk


def talkers(town: TownUnderTest, *names: str) -> None:
    """Agents that write to the next of them whenever they are asked anything."""
    for own, other in zip(names, [*names[1:], names[0]], strict=True):
        how = f'Always:\ndo: tt send {other} "Your turn"'
        town.quick("spawn", own, "--instructions", how)


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c")])
def test_agents_that_answer_each_other_for_ever_end(
    town: TownUnderTest, names: tuple[str, ...]
) -> None:
    town.quick("config", "limits.thread_messages", "6")
    talkers(town, *names)
    town.quick("send", "a", "Begin")
    said = until(lambda: [one for one in town.said() if one["code"]], "a refusal")
    town.wait("--all")
    assert len(town.rounds()) == 7, "one for the person's message, one for each turn"
    assert [one["code"] for one in said] == [2]
    assert said[0]["err"].startswith("tt: the conversation m1 has had its 6 turns")
    (told,) = town.see("inbox", "conductor")
    assert (told["from"], told["kind"], told["thread"]) == ("daemon", "request", "m1")
    history = [event["event"] for event in town.see("history")]
    assert history.count("thread.stopped") == 1
    told_of = town.tt("thread", "m3").out
    assert told_of.count("Your turn") == 6
    assert "person → a  request" in told_of


# Who gets it


def test_a_role_a_group_and_everybody(town: TownUnderTest) -> None:
    for name, role in (("a", "dev"), ("b", "dev"), ("c", "ops")):
        town.quick("spawn", name, "--role", role)
        town.quick("interrupt", name)
    sent = [town.see("send", "role:dev", "--info", text)[0]["to"] for text in ("1", "2", "3")]
    assert sent == ["a", "b", "a"], "who has the fewest messages"
    assert town.tt("send", "group:dev", "--info", "4").out == "Sent to a, b\n"
    assert town.tt("send", "--all", "--info", "5").out == "Sent to a, b, c\n"
    assert town.tt("send", "role:ops", "--info", "6").out == "Sent to c\n"
    for text in ("1", "3", "4", "5"):
        assert text in town.tt("inbox", "a").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("role:qa", "x"), "there is no agent with the role 'qa' in this town (there is 'dev')"),
        (
            ("role:dve", "x"),
            "there is no agent with the role 'dve' in this town (did you mean dev?)",
        ),
        (("group:qa", "x"), "no agent whose role or tag is 'qa' in this town (there is 'dev')"),
        (("a", "x", "--reply-to", "m9"), "there is no message 'm9' (tt inbox --all)"),
        (("a", "x", "--interrupt"), "only an urgent message interrupts a round"),
    ],
)
def test_bad_input(town: TownUnderTest, words: tuple[str, ...], told: str) -> None:
    town.quick("spawn", "a", "--role", "dev")
    done = town.tt("send", *words, code=2)
    assert told in done.err
    assert done.err.count("\n") == 1
    assert not messages(town)


# Reading for somebody else


def test_a_person_reads_and_empties_a_mailbox(town: TownUnderTest) -> None:
    town.team("a")
    town.quick("interrupt", "a")
    town.quick("send", "a", "Do this")
    town.quick("send", "conductor", "Well done")
    for words in (("--agent", "a"), ("conductor",)):
        shown = town.tt("inbox", *words)
        taken = town.tt("inbox", *words, "--read")
        at_once = re.compile(r", \d+ s ago")  # a second may pass in between
        same = taken.out.replace("acknowledged", "waiting")
        assert at_once.sub("", same) == at_once.sub("", shown.out)
        assert town.tt("inbox", *words, "--read").out == "No messages wait\n"
    town.quick("resume", "a")
    town.wait("--all")
    assert not town.rounds()
    assert [e["actor"] for e in town.see("history") if e["event"] == "message.read"] == [
        "person"
    ] * 2
    assert "takes one mailbox" in town.tt("inbox", "--read", code=2).err
    assert "named twice" in town.tt("inbox", "a", "--agent", "b", code=2).err
    assert "there is no message 'm9'" in town.tt("thread", "m9", code=2).err


def test_an_agent_reads_for_nobody_else(town: TownUnderTest) -> None:
    town.team("a", "b")
    task = town.assign("a", "tt inbox b --read", "tt thread m1")
    town.wait("--task", task)
    refused, _ = town.said()
    assert (refused["code"], "an agent cannot use this command" in refused["err"]) == (2, True)
