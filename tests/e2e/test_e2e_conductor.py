"""The conductor's own agent with a real daemon: what wakes it, once, and what it then does.

Its CLI is a script: this shows that it is asked, told and heard, not how well it judges.
"""

from __future__ import annotations

import os
import signal

from tests.e2e.conducted import asked, at_rest, conductor, rules
from tests.e2e.town import TownUnderTest, until


def test_a_task_that_failed_is_one_round_in_which_it_is_mended(conducted: TownUnderTest) -> None:
    conducted.team("ann")
    rules(conducted, ("Task t1 failed", ["copy tinytown.toml mended", "tt task retry t1"]))
    task = conducted.assign("ann", "needs mended")
    until(lambda: conducted.states()[task] == "completed", "the end of the task")
    at_rest(conducted, 1)
    [prompt] = [one["prompt"] for one in asked(conducted)]
    assert prompt.split("# What you may do")[0].endswith(
        """
# The town

Team:
ann (scripted) is idle

Tasks:
1 failed
t1 (ann) failed: exit code 1

# What you are asked

## m1: request from daemon

~~~
Task t1 failed: exit code 1
~~~

"""
    )


PLAN = """\
[[tasks]]
id = "cart"
description = "Build the cart"
agent = "ann"

[[tasks]]
id = "till"
description = "Build the till"
agent = "bob"
depends_on = ["cart"]
"""


def test_a_stalled_plan_is_mended_while_somebody_follows_it(conducted: TownUnderTest) -> None:
    conducted.team("ann")
    rules(conducted, ("there is no agent bob", ["tt spawn bob"]))
    conducted.plan(PLAN)
    done = conducted.tt("conductor")
    assert "Plan completed: 2 of 2 done" in done.out
    at_rest(conducted, 1)
    assert "bob joined the team" in done.out


def test_a_plan_that_waits_for_a_cancelled_task_is_mended(conducted: TownUnderTest) -> None:
    conducted.team("ann", "bob")
    rules(conducted, ("Plan main is stalled", ["tt task retry cart"]))
    conducted.plan(PLAN)
    conducted.quick("task", "cancel", "cart")
    done = conducted.tt("conductor")
    assert "Plan completed: 2 of 2 done" in done.out
    at_rest(conducted, 1)
    assert (
        "till (bob) waits for cart, which is cancelled: Build the till"
        in asked(conducted)[0]["prompt"]
    )


def test_whoever_follows_a_plan_is_told_when_the_agent_leaves_it_as_it_is(
    conducted: TownUnderTest,
) -> None:
    conducted.team("ann")
    conducted.plan(PLAN)
    done = conducted.tt("conductor", code=1)
    assert "tt: bob is not on the team to do till" in done.err
    at_rest(conducted, 1)


def test_a_query_of_an_agent_is_answered(conducted: TownUnderTest) -> None:
    conducted.team("ann")
    rules(conducted, ("which port", ['tt send ann --info "port 80"']))
    conducted.assign("ann", 'tt send conductor --query "which port"')
    at_rest(conducted, 1)
    [answer] = until(lambda: conducted.see("inbox", "ann"), "the answer")
    assert (answer["from"], answer["text"]) == ("conductor", "port 80")


def test_notes_wake_nobody_and_without_a_cause_there_is_no_agent(conducted: TownUnderTest) -> None:
    conducted.team("ann")
    conducted.wait("--task", conducted.assign("ann", 'tt send conductor --info "all is well"'))
    conducted.quick("send", "conductor", "--ack", "fine")
    assert conductor(conducted) == {}
    assert [one["agent"] for one in conducted.rounds()] == ["ann"]


def test_it_is_asked_so_often_in_an_hour_but_a_person_need_not_wait(
    conducted: TownUnderTest,
) -> None:
    conducted.quick("config", "conductor.rounds_per_hour", "1")
    conducted.team("ann")
    conducted.assign("ann", "exit 1")
    at_rest(conducted, 1)
    second = conducted.assign("ann", "exit 1")
    until(lambda: conducted.states()[second] == "failed", "the failure")
    assert (conductor(conducted)["waiting"]["request"], conductor(conducted)["rounds"]) == (1, 1)
    conducted.quick("send", "conductor", "What now?")
    at_rest(conducted, 2)
    prompt = asked(conducted)[1]["prompt"]
    assert "Task t2 failed" in prompt
    assert "What now?" in prompt


def test_what_it_is_told_can_be_read_before(conducted: TownUnderTest) -> None:
    conducted.quick("send", "conductor", "Hello")
    at_rest(conducted, 1)
    conducted.quick("interrupt", "conductor")
    until(lambda: conductor(conducted)["state"] == "paused", "the pause")
    conducted.quick("send", "conductor", "Grüße \x1b[1m~~~~ and more")
    told = conducted.tt("conductor", "--context").out
    conducted.quick("resume", "conductor")
    at_rest(conducted, 2)
    assert asked(conducted)[1]["prompt"] == told
    assert asked(conducted)[1]["argv"] == []


def test_a_daemon_that_is_killed_asks_nothing_twice(conducted: TownUnderTest) -> None:
    conducted.team("ann")
    rules(
        conducted, ("Task t1 failed", ["copy tinytown.toml mended", "wait go", "tt task retry t1"])
    )
    task = conducted.assign("ann", "needs mended")
    until(lambda: asked(conducted), "the round")
    os.kill(conducted.home.pid, signal.SIGKILL)
    conducted.quick("list")  # starts the next daemon
    conducted.go("go")
    until(lambda: conducted.states()[task] == "completed", "the end of the task")
    at_rest(conducted, 1)


def test_a_cause_outlives_a_daemon_that_is_killed_before_the_round(
    conducted: TownUnderTest,
) -> None:
    conducted.team("ann")
    conducted.quick("send", "conductor", "Hello")
    at_rest(conducted, 1)
    conducted.quick("interrupt", "conductor")
    task = conducted.assign("ann", "exit 1")
    until(lambda: conducted.states()[task] == "failed", "the failure")
    os.kill(conducted.home.pid, signal.SIGKILL)
    conducted.quick("resume", "conductor")
    at_rest(conducted, 2)
    assert asked(conducted)[1]["prompt"].count("Task t1 failed") == 1
