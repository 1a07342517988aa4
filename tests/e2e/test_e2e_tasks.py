"""Tasks on their way: order, retries, holds, cancelling, groups, steps of the shell."""

from __future__ import annotations

from tests.e2e.town import TownUnderTest, until

CHAIN = """
[[tasks]]
id = "one"
description = "First\\ndo: tt task complete --result 'the word is plum'"
agent = "a"
[[tasks]]
id = "two"
description = "Second"
agent = "b"
depends_on = ["one"]
[[tasks]]
id = "three"
description = "Third"
agent = "a"
parent = "two"
[[tasks]]
id = "other"
description = "Beside"
agent = "b"
"""


def everything(town: TownUnderTest, code: int = 0) -> None:
    town.wait("--all", code=code)


def test_a_failed_task_holds_back_what_depends_on_it_and_nothing_else(
    town: TownUnderTest,
) -> None:
    town.team("a", "b")
    town.plan(CHAIN.replace("tt task complete --result 'the word is plum'", "exit 3"))
    done = town.tt("conductor", code=1)
    assert "one failed: exit code 3 (tt task retry one)" in done.err
    assert town.states() == {
        "one": "failed",
        "two": "pending",
        "three": "pending",
        "other": "completed",
    }
    assert town.task("three")["waits_for"] == ["two"]
    everything(town, code=1)
    town.tt("interrupt", "a")
    town.tt("task", "retry", "one")
    town.tt("task", "edit", "one", "--text", "First, without the mistake")
    town.tt("resume", "a")
    assert "Plan completed: 4 of 4 done" in town.tt("conductor").out


def test_retry_goes_on_with_what_waited(town: TownUnderTest) -> None:
    town.team("a", "b")
    first = town.assign("a", "tt task fail --reason 'no paper'")
    second = town.assign("b", options=("--after", first))
    town.wait("--task", first, code=1)
    assert town.task(first)["error"] == "no paper"
    assert town.task(second)["waits_for"] == [first]
    (told,) = town.see("inbox", "conductor")
    assert "no paper" in told["text"]
    town.wait("a", code=1)
    town.tt("interrupt", "a")
    town.tt("task", "retry", first)
    town.tt("task", "edit", first, "--text", "Now it works")
    town.tt("resume", "a")
    everything(town)
    assert town.states() == {first: "completed", second: "completed"}


def test_attempts_and_backoff(town: TownUnderTest) -> None:
    town.team("a")
    town.tt("config", "limits.attempts", "3")
    task = town.assign("a", "exit 3")
    town.wait("--task", task, code=1)
    shown = town.task(task)
    assert shown["attempts"] == 3
    assert [one["outcome"] for one in shown["rounds"]] == ["failed"] * 3
    assert len(town.rounds(3)) == 3


def test_cancel_holds_dependents_and_cascade_takes_them(town: TownUnderTest) -> None:
    town.team("a", "b")
    first = town.assign("a", "wait go")
    second = town.assign("b", options=("--after", first))
    third = town.assign("b", options=("--after", second))
    town.rounds(1)
    town.tt("task", "cancel", first)
    assert town.states() == {first: "cancelled", second: "pending", third: "pending"}
    town.wait("a")
    assert town.agent("a")["state"] == "idle"
    gone = town.see("task", "cancel", second, "--cascade")
    assert [one["id"] for one in gone] == [second, third]
    everything(town)
    assert [one["task"] for one in town.rounds()] == [first]


def test_results_of_what_it_builds_on_are_in_the_prompt(town: TownUnderTest) -> None:
    town.team("a", "b")
    town.plan(CHAIN)
    assert "Plan completed: 4 of 4 done" in town.tt("conductor").out
    prompts = {one["task"]: one["prompt"] for one in town.rounds(4)}
    assert "the word is plum" in prompts["two"]
    assert "## one, by a" in prompts["two"]
    assert "plum" not in prompts["other"]


GROUP = """
[[tasks]]
id = "epic"
description = "All of it"
epic = true
[[tasks]]
id = "left"
description = "Left"
agent = "a"
parent = "epic"
[[tasks]]
id = "right"
description = "Right\\ndo: exit 3"
agent = "b"
parent = "epic"
[[tasks]]
id = "after"
description = "After"
agent = "a"
depends_on = ["epic"]
"""


def test_a_group_is_what_its_tasks_are(town: TownUnderTest) -> None:
    town.team("a", "b")
    town.plan(GROUP)
    done = town.tt("conductor", code=1)
    assert "right failed" in done.err
    assert town.states() == {
        "epic": "failed",
        "left": "completed",
        "right": "failed",
        "after": "pending",
    }
    town.tt("interrupt", "b")
    town.tt("task", "retry", "right")
    assert town.states()["epic"] == "pending"
    town.tt("task", "edit", "right", "--text", "Right, without the mistake")
    town.tt("resume", "b")
    everything(town)
    assert set(town.states().values()) == {"completed"}
    assert "is a group" in town.tt("task", "retry", "epic", code=2).err


def test_steps_of_the_shell_between_agents(town: TownUnderTest) -> None:
    town.team("a")
    town.plan("""
[[tasks]]
id = "write"
description = "Write it"
agent = "a"
[[tasks]]
id = "lint"
description = "Check it"
agent = "a"
run = "echo checked > lint.txt; echo looks good"
depends_on = ["write"]
[[tasks]]
id = "build"
description = "Break it"
agent = "a"
run = "echo no such thing >&2; exit 7"
depends_on = ["lint"]
""")
    done = town.tt("conductor", code=1)
    assert "build failed: exit code 7: no such thing" in done.err
    assert (town.directory / "lint.txt").read_text() == "checked\n"
    assert town.task("lint")["result"] == "looks good"


def test_priority_then_age_and_two_ahead(town: TownUnderTest) -> None:
    town.team("a")
    first = town.assign("a", "wait go")
    town.rounds(1)
    low = town.assign("a", options=("--priority", "low"))
    older, newer = town.assign("a"), town.assign("a")
    states = town.states()
    assert [states[ref] for ref in (older, newer)] == ["assigned", "assigned"]
    assert states[low] == "pending", "two ahead, the best ones"
    urgent = town.assign("a", options=("--priority", "urgent"))
    assert town.states()[newer] == "pending"
    town.go("go")
    everything(town)
    assert [one["task"] for one in town.rounds()] == [first, urgent, older, newer, low]


def test_ids_by_a_unique_prefix(town: TownUnderTest) -> None:
    town.team("a")
    town.plan(CHAIN)
    assert town.task("thr")["id"] == "three"
    refused = town.tt("task", "show", "o", code=2)
    assert "fits 2 tasks" in refused.err
    assert "one, other" in refused.err
    refused = town.tt("task", "show", "ones", code=2)
    assert "did you mean one?" in refused.err


def test_max_rounds_counts_from_the_last_start(town: TownUnderTest) -> None:
    town.quick("spawn", "a", "--max-rounds", "1")
    first, second = town.assign("a"), town.assign("a")
    until(lambda: town.agent("a")["state"] == "stopped", "the stop")
    assert town.states() == {first: "completed", second: "assigned"} or town.states() == {
        first: "completed",
        second: "pending",
    }
    town.tt("start")
    town.wait("--task", second)
    assert len(town.rounds(2)) == 2
    until(lambda: town.agent("a")["state"] == "stopped", "the second stop")
