"""Agents started, stopped, paused and removed, while they work and while they rest."""

from __future__ import annotations

from typing import Any

from tests.e2e.town import Data, TownUnderTest, alive, lines, until


def busy(town: TownUnderTest, *script: str, cli: str = "scripted") -> tuple[str, int]:
    """An agent in the middle of a task: the task's id and the CLI's pid."""
    town.quick("spawn", "a", "--cli", cli)
    task = town.assign("a", *script, "wait go")
    return task, int(town.rounds(1)[0]["pid"])


def state(town: TownUnderTest, wanted: str) -> Data:
    """The agent, as soon as it is in that state."""

    def there() -> Any:
        agent = town.agent("a")
        return agent if agent["state"] == wanted else None

    found: Data = until(there, f"a is {wanted}")
    return found


def test_kill_ends_the_agent_and_keeps_its_task(town: TownUnderTest) -> None:
    task, pid = busy(town)
    assert town.see("kill", "a")["desired"] == "stop"
    state(town, "stopped")
    assert not alive(pid)
    shown = town.task(task)
    assert (shown["state"], shown["attempts"]) == ("pending", 0)
    assert "tt start" in town.tt("close", "a", code=2).err
    town.go("go")
    assert town.see("spawn", "a")["created"] is False
    town.wait("--task", task)
    assert len(town.rounds(2)) == 2


def test_kill_of_one_that_ignores_term(town: TownUnderTest) -> None:
    _, pid = busy(town, "ignore-term")
    until(lambda: lines(town.directory / "ignores.jsonl"), "the handler")
    town.tt("kill", "a")
    state(town, "stopped")
    assert not alive(pid)


def test_close_lets_the_round_finish(town: TownUnderTest) -> None:
    task, pid = busy(town)
    later = town.assign("a")
    town.tt("close", "a")
    state(town, "draining")
    assert alive(pid)
    town.go("go")
    state(town, "cold")
    assert town.states() == {task: "completed", later: "pending"}
    assert town.see("prune") == [], "it still owns a task"
    town.tt("start")
    town.wait("--task", later)


def test_interrupt_and_resume_keep_the_session(town: TownUnderTest) -> None:
    record = '{"type": "result", "is_error": false, "result": "ok", "session_id": "s-1"}'
    task, _ = busy(town, f"say {record}", cli="talking")
    town.go("go")
    town.wait("--task", task)
    (town.directory / "go").unlink()
    assert town.agent("a")["session"] == "s-1"
    second = town.assign("a", "wait go", f"say {record}")
    assert town.rounds(2)[1]["argv"] == ["--resume", "s-1"]
    town.tt("interrupt", "a")
    paused = state(town, "paused")
    assert paused["session"] == "s-1"
    assert town.states()[second] in ("pending", "assigned")
    assert len(town.rounds()) == 2
    town.go("go")
    town.tt("resume", "a")
    town.wait("--task", second)
    assert town.rounds(3)[2]["argv"] == ["--resume", "s-1"]
    assert "neither paused nor held" in town.tt("resume", "a", code=2).err


def test_restart_forgets_the_session(town: TownUnderTest) -> None:
    record = '{"type": "result", "is_error": false, "result": "ok", "session_id": "s-1"}'
    task, _ = busy(town, f"say {record}", cli="talking")
    town.go("go")
    town.wait("a")
    (town.directory / "go").unlink()
    second = town.assign("a", "wait go", f"say {record}")
    pid = town.rounds(2)[1]["pid"]
    town.tt("restart", "a")
    assert town.rounds(3)[2]["argv"] == []
    assert not alive(pid)
    town.go("go")
    town.wait("--task", second)
    assert town.task(task)["attempts"] == 1


def test_stop_start_and_prune(town: TownUnderTest) -> None:
    task, pid = busy(town)
    town.team("b")
    assert len(town.see("stop", "--now")) == 2
    state(town, "stopped")
    assert not alive(pid)
    assert [one["name"] for one in town.see("prune")] == ["b"], "a still owns a task"
    town.go("go")
    town.tt("start")
    town.wait("--all")
    town.tt("stop")
    state(town, "cold")
    assert [one["name"] for one in town.see("prune")] == ["a"]
    assert town.see("list") == []
    assert town.task(task)["state"] == "completed"


def test_cancelling_a_running_task_ends_its_round(town: TownUnderTest) -> None:
    task, pid = busy(town)
    town.tt("task", "cancel", task)
    state(town, "idle")
    assert not alive(pid)
    assert town.task(task)["rounds"][0]["outcome"] == "interrupted"


def test_urgent_messages_come_first_and_do_not_break_in(town: TownUnderTest) -> None:
    busy(town)
    town.tt("send", "a", "The ordinary one")
    town.tt("send", "a", "The urgent one", "--urgent", "--info")
    town.go("go")
    town.wait("a")
    prompt = town.rounds(2)[1]["prompt"]
    assert prompt.index("The urgent one") < prompt.index("The ordinary one")
    assert len(town.rounds()) == 2


def test_messages_of_a_round_that_was_killed_come_again(town: TownUnderTest) -> None:
    town.team("a")
    (one,) = town.see("send", "a", "Read this\ndo: wait go")
    town.rounds(1)
    town.tt("kill", "a")
    state(town, "stopped")
    assert [m["state"] for m in town.see("inbox", "a")] == ["waiting"]
    town.go("go")
    town.tt("restart", "a")
    town.wait("a")
    assert one["id"] in town.rounds(2)[1]["prompt"]
    assert town.see("inbox", "a") == []


def test_spawn_in_the_foreground_shows_the_output_until_the_end(town: TownUnderTest) -> None:
    town.plan('[[tasks]]\nid = "one"\nagent = "a"\ndescription = "do: say seen by a person"\n')
    assert "(tt conductor --spawn)" in town.tt("conductor", code=1).err
    done = town.quick("spawn", "a", "--max-rounds", "1", "--foreground")
    assert "seen by a person" in done.out


def test_max_agents(town: TownUnderTest) -> None:
    town.tt("config", "max_agents", "1")
    town.team("a")
    before = town.see("list")
    refused = town.quick("spawn", "b", code=2)
    assert "max_agents is 1" in refused.err
    assert [one["name"] for one in town.see("list")] == [one["name"] for one in before]
    town.tt("close", "a")
    state(town, "cold")
    town.team("b")
    assert "max_agents" in town.tt("start", code=2).err
