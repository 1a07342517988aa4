"""Several plans at once: equal ids, files, pausing, cancelling, proposals, and the morning page."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.town import BIN, Home, TownUnderTest, until

PLAN = """\
[[tasks]]
id = "design"
description = "Design{design}"
agent = "ann"

[[tasks]]
id = "build"
description = "Build"
agent = "bob"
depends_on = ["design"]
"""


def write(town: TownUnderTest, name: str, design: str = "") -> Path:
    """The file of a plan, whose first task has a script."""
    file = town.directory / "plans" / f"{name}.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(PLAN.format(design=design))
    return file


def state_of(town: TownUnderTest, name: str) -> str:
    return str(town.see("plan", "status", name)["plan"]["state"])


def states(town: TownUnderTest, name: str) -> list[str]:
    return [one["state"] for one in town.see("plan", "status", name)["tasks"]]


def held(town: TownUnderTest, name: str) -> None:
    """The plan, with its first task running until the file `NAME-go` is there."""
    write(town, name, f"\\ndo: wait {name}-go")
    town.quick("sync", "push", "--plan", name)


def conduct(town: TownUnderTest, name: str) -> None:
    """Switches the conductor on, and looks away as soon as the plan's first task runs."""
    argv = [str(BIN / "tt"), "conductor", "--plan", name]
    with subprocess.Popen(
        argv,
        cwd=town.directory,
        env=town.home.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as follower:
        try:
            until(lambda: "running" in states(town, name), "the first task's start")
        finally:
            follower.send_signal(signal.SIGINT)


def test_two_plans_with_equal_ids_are_carried_out_at_once(town: TownUnderTest) -> None:
    town.team("ann", "bob")
    town.plan(PLAN.format(design=""))
    write(town, "billing")
    pushed = town.tt("sync", "push", "--plan", "billing").out
    assert "Next: tt conductor --plan billing" in pushed
    done = town.tt("conductor", "--plan", "billing")
    assert "Plan billing completed: 2 of 2 done" in done.out
    town.wait("--all")
    assert town.states() == dict.fromkeys(
        ("design", "build", "billing/design", "billing/build"), "completed"
    )
    assert sorted(one["task"] for one in town.rounds(4)) == sorted(town.states())
    listed = town.tt("plan", "list").out.splitlines()
    assert [line.split()[:2] for line in listed] == [
        ["plan", "state"],
        ["main", "completed"],
        ["billing", "completed"],
    ]
    town.tt("sync", "pull", "--plan", "billing")
    text = (town.directory / "plans" / "billing.toml").read_text()
    assert (text.count('status = "completed"'), "billing/" in text) == (2, False)
    assert "status" not in (town.directory / "tasks.toml").read_text()


def test_a_plan_of_another_file_and_its_mistakes(town: TownUnderTest) -> None:
    refused = town.tt("sync", "push", "--plan", "billing", code=2)
    assert "plans/billing.toml (tt plan --init --file" in refused.err
    assert "cannot be the plan" in town.tt("sync", "push", "--plan", "../x", code=2).err
    file = write(town, "billing")
    file.write_text(file.read_text().replace('["design"]', '["desing"]'))
    refused = town.tt("sync", "push", str(file), "--plan", "billing", code=2)
    assert refused.err.startswith("billing.toml:10: task 'build': depends_on names 'desing'")
    refused = town.tt("plan", "--file", "plans/billing.toml", code=2)
    assert "did you mean design?" in refused.err
    assert town.see("plan", "list") == []
    write(town, "billing")
    assert len(town.see("plan", "--file", str(file))["waves"]) == 2


def test_a_paused_plan_waits_while_the_other_goes_on(town: TownUnderTest) -> None:
    town.team("ann", "bob")
    held(town, "slow")
    write(town, "quick")
    town.quick("sync", "push", "--plan", "quick")
    conduct(town, "slow")
    assert "Back: tt plan resume slow" in town.tt("plan", "pause", "slow").out
    (town.directory / "slow-go").touch()
    until(lambda: state_of(town, "quick") == "completed", "the other plan's end")
    until(lambda: states(town, "slow")[0] == "completed", "the end of what ran")
    assert states(town, "slow") == ["completed", "pending"]
    assert state_of(town, "slow") == "paused"
    refused = town.tt("conductor", "--plan", "slow", code=2)
    assert "plan slow is paused (tt plan resume slow)" in refused.err
    town.quick("plan", "resume", "slow")
    assert "Plan slow completed: 2 of 2 done" in town.tt("plan", "watch", "slow").out
    assert "plan slow is over: it is completed" in town.tt("plan", "pause", "slow", code=2).err


def test_a_cancelled_plan_ends_what_runs_and_leaves_the_rest(town: TownUnderTest) -> None:
    town.team("ann", "bob")
    held(town, "doomed")
    loose = town.see("assign", "bob", "Work")["id"]
    conduct(town, "doomed")
    town.tt("plan", "cancel", "doomed")
    assert states(town, "doomed") == ["cancelled", "cancelled"]
    town.wait("ann", "bob", code=None)
    assert town.task("doomed/design")["rounds"][0]["outcome"] == "interrupted"
    assert town.task(loose)["state"] == "completed"
    told = town.tt("plan", "watch", "doomed", code=1)
    assert "the plan was cancelled (tt plan status doomed)" in told.err


def test_a_plan_without_a_file(town: TownUnderTest) -> None:
    town.team("ann")
    first = town.see("assign", "ann", "Sweep", "--plan", "chores")["id"]
    town.quick("backlog", "add", "Dust", "--plan", "chores", "--after", first)
    until(lambda: states(town, "chores")[0] == "completed", "the first chore")
    assert state_of(town, "chores") == "stalled"
    town.quick("backlog", "claim", "t2", "ann")
    assert "Plan chores completed: 2 of 2 done" in town.tt("plan", "watch", "chores").out
    assert town.task("chores/t2")["plan"] == "chores"


@pytest.mark.parametrize("approved", [True, False])
def test_an_agents_plan_waits_for_a_persons_word(town: TownUnderTest, approved: bool) -> None:
    town.team("ann", "bob", "lead")
    write(town, "site")
    town.assign("lead", "tt sync push plans/site.toml --plan site --propose")
    until(lambda: town.see("plan", "list"), "the proposal")
    town.wait("lead")
    assert state_of(town, "site") == "proposed"
    (question,) = town.see("inbox", "conductor")
    assert question["text"] == "Plan site: 2 tasks for ann, bob. Start it?"
    refused = town.tt("conductor", "--plan", "site", code=2)
    assert "plan site waits for an approval (tt plan approve site)" in refused.err
    if approved:
        town.tt("plan", "approve", "site")
        assert "Plan site completed: 2 of 2 done" in town.tt("plan", "watch", "site").out
        assert [one["task"] for one in town.rounds(3)][-2:] == ["site/design", "site/build"]
        return
    town.tt("plan", "reject", "site", "One agent is enough")
    assert states(town, "site") == ["cancelled", "cancelled"]
    told = until(lambda: [one for one in town.rounds(2) if one["task"] != "t1"], "its next round")
    assert "rejected: One agent is enough" in (town.rounds(2)[-1]["prompt"] if told else "")


def test_the_plans_survive_a_kill_of_the_daemon(
    make_home: Callable[..., Home], tmp_path: Path
) -> None:
    home = make_home()
    town = home.town(tmp_path / "town")
    town.team("ann", "bob")
    held(town, "slow")
    conduct(town, "slow")
    town.quick("plan", "pause", "slow")
    os.kill(home.pid, signal.SIGKILL)
    (town.directory / "slow-go").touch()
    until(lambda: states(town, "slow") == ["completed", "pending"], "the end of what ran")
    assert state_of(town, "slow") == "paused"
    town.quick("plan", "resume", "slow")
    assert "Plan slow completed: 2 of 2 done" in town.tt("plan", "watch", "slow").out


def test_the_morning_page(town: TownUnderTest) -> None:
    town.team("ann", "bob")
    town.plan(PLAN.format(design=""))
    town.tt("conductor")
    failed = town.assign("ann", "exit 3")
    town.wait("--task", failed, code=1)
    page = town.tt("report", "--since", "1h").out
    assert page.startswith("The last 1 h\n\nDone: 2 tasks\n  plan main: completed, 2 of 2 done")
    assert f"tt task retry {failed}" in page
    told = town.see("report")
    assert [one["id"] for one in told["done"]] == ["design", "build"]
    assert [one["id"] for one in told["failed"]] == [failed]
    assert (told["cost"]["rounds"], told["cost"]["whole"]) == (3, True)
    assert "is no length of time (30m, 12h, 2d)" in town.tt("report", "--since", "1y", code=2).err
