"""What a daemon would answer, in the shapes of docs/protocol.md."""

from __future__ import annotations

from typing import Any

NOW = "2026-11-22T10:31:00.123Z"


def task(task_id: str = "7", state: str = "assigned", **changes: Any) -> dict[str, Any]:
    return {
        "id": task_id,
        "description": "Build it",
        "state": state,
        "agent": "developer",
        "role": None,
        "result": None,
        "error": None,
        "depends_on": [],
        "join": "all",
        "failures": "hold",
        "parent": None,
        "tags": [],
        "priority": "normal",
        "attempts": 0,
        "created_at": NOW,
        "started_at": None,
        "finished_at": None,
        "plan": None,
        "epic": False,
        "group": False,
        "run": None,
        "approve": False,
        "approved": False,
        "check": None,
        "review": None,
        "gate_of": None,
        "feedback": None,
        "reworks": 0,
        "waits_for": [],
        "not_before": None,
        "tokens": 0,
        "cost_usd": 0.0,
        **changes,
    }


def agent(name: str = "developer", state: str = "idle", **changes: Any) -> dict[str, Any]:
    waiting = {"tasks": 0, "request": 0, "query": 0, "info": 0, "ack": 0}
    return {
        "id": "agent-1",
        "name": name,
        "state": state,
        "desired": "run",
        "cli": "claude",
        "model": None,
        "role": None,
        "tags": [],
        "nickname": None,
        "parent": None,
        "task": None,
        "rounds": 2,
        "rounds_since_start": 2,
        "max_rounds": None,
        "silence_seconds": None,
        "wall_seconds": None,
        "permissions": None,
        "session": None,
        "attached": False,
        "since": NOW,
        "hold": None,
        "error": None,
        "waiting": waiting,
        "fallback": [],
        "tokens": 0,
        "cost_usd": 0.0,
        **changes,
    }


def message(**changes: Any) -> dict[str, Any]:
    return {
        "id": "m1",
        "from": "person",
        "to": "developer",
        "kind": "request",
        "priority": "normal",
        "text": "Look at it",
        "state": "waiting",
        "sent_at": NOW,
        "delivered_at": None,
        "acknowledged_at": None,
        "round": None,
        "reply_to": None,
        "thread": "m1",
        "task": None,
        "about": None,
        "answer": None,
        "claimed_sender": None,
        **changes,
    }


def question(**changes: Any) -> dict[str, Any]:
    about = {"kind": "question", "to": "conductor", "about": "answer:7", "task": "7"}
    return message(**{"id": "m3", "text": "Which port?", **about, **changes})


def plan(state: str = "completed", **changes: Any) -> dict[str, Any]:
    return {
        "name": "main",
        "description": "Auth",
        "owner": "person",
        "state": state,
        "total": 2,
        "completed": 2,
        "failed": 0,
        "cancelled": 0,
        "running": 0,
        "blocked": 0,
        "pending": 0,
        "started_at": NOW,
        "ended_at": None,
        "seconds": 90.5,
        "tokens": 1200,
        "cost_usd": 0.25,
        **changes,
    }


def listed(what: str, records: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A page of a list, and the only one."""
    return {what: records, "total": len(records), "next": None, **changes}


def conducting(state: str, tasks: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    return {
        "conductor": {"on": True, "plan": plan(state), "asked": 0, "cli": "claude"},
        "tasks": tasks,
        "tasks_left": 0,
        "agents": [agent()],
        "missing": [],
        "event": "0-0",
        **changes,
    }


ROUND = {
    "round": 3,
    "agent": "developer",
    "task": "7",
    "cli": "claude",
    "outcome": "completed",
    "started_at": NOW,
    "ended_at": NOW,
    "seconds": 1.5,
    "input_tokens": 10,
    "output_tokens": 20,
    "cost_usd": 0.01,
    "error": None,
}
USED = {"rounds": 2, "tokens": 1200, "cost_usd": 0.25}
FINISHED = {
    "id": "design",
    "description": "Design",
    "agent": "developer",
    "plan": "main",
    "seconds": 90.5,
    "finished_at": NOW,
    "result": "Done",
    "error": None,
    "tokens": 1200,
    "cost_usd": 0.25,
}
TOWN = {"id": "town-1", "name": "demo", "dir": "/demo"}
EVENT = {"id": "1-0", "at": NOW, "event": "round.started", "actor": "developer"}
SETTING = {"key": "agent.cli", "value": "claude", "origin": "default", "doc": "The CLI"}

REPLIES: dict[str, Any] = {
    "town.init": {"town": TOWN, "created": True},
    "town.list": {"towns": [{**TOWN, "state": "open", "agents": 1, "open_tasks": 2}]},
    "town.forget": {"town": TOWN},
    "town.open": {"town": TOWN},
    "town.rehearse": {"town": TOWN, "pushed": {}},
    "daemon.stop": {"rounds": []},
    "config.list": {"settings": [SETTING]},
    "config.set": {"settings": [SETTING]},
    "agent.spawn": {"agent": agent(), "created": True},
    "agent.list": listed("agents", [agent()]),
    "agent.rounds": {"agent": "developer", "rounds": [ROUND]},
    **{
        f"agent.{change}": {"agent": agent()}
        for change in ("kill", "close", "interrupt", "resume", "restart")
    },
    "agent.prune": {
        "removed": [{"name": "tester", "tasks": 2, "messages": 1}],
        "kept": [{"name": "docs", "why": "owns t1"}],
    },
    "town.archive": {"tasks": 12, "rounds": 30, "kept": 2, "dry_run": False},
    "town.recover": {
        "findings": [
            {"what": "tester was in error", "done": "started again", "hint": ""},
            {"what": "t3 failed", "done": "", "hint": "tt task retry t3"},
        ]
    },
    "town.reset": {"agents": 1, "tasks": 2, "messages": 0, "rounds": 3},
    "town.stop": {"agents": [agent()]},
    "town.start": {"agents": [agent()]},
    "town.status": {
        "town": TOWN,
        "conductor": {"on": False, "plan": plan("none"), "asked": 0, "cli": "claude"},
        "plans": [],
        "plans_left": 0,
        "agents": [agent()],
        "team": {"working": 1},
        "tasks": {
            "by_state": {"running": 1, "failed": 0},
            "by_agent": {"developer": {"running": 1}},
        },
        "messages": {"request": 1, "query": 0, "info": 0, "ack": 0},
        "questions": 0,
        "backlog": 1,
        "rounds": [ROUND],
        "event": "0-0",
    },
    "town.history": {"events": [{**EVENT, "agent": "developer", "task": "7"}]},
    "town.wait": {"failed": [], "failed_left": 0, "questions": []},
    "task.assign": {"task": task(), "agent": agent()},
    "task.show": {"task": task(), "rounds": [ROUND]},
    "task.rounds": {"task": task(state="completed"), "rounds": [ROUND]},
    "task.list": listed("tasks", [task()]),
    "task.archived": {"tasks": [task(state="completed")], "next": None},
    "task.current": {"task": None},
    "task.cancel": {"tasks": [task(state="cancelled")]},
    **{
        f"task.{done}": {"task": task()}
        for done in ("complete", "fail", "retry", "edit", "move", "approve", "reject")
    },
    "task.ask": {"question": question(), "task": task()},
    "question.answer": {"question": question(state="acknowledged", answer="yes")},
    "task.reclaim": {"tasks": [task()], "skipped": [{"id": "8", "why": "runs in round 3"}]},
    "message.send": {"messages": [message()]},
    "message.inbox": listed("messages", [message()]),
    "message.read": {"messages": [message(state="acknowledged")], "left": 1},
    "message.thread": {"messages": [message()]},
    "backlog.add": {"task": task(agent=None), "takers": ["developer"]},
    **{f"backlog.{done}": {"task": task(agent=None)} for done in ("claim", "remove")},
    "backlog.list": listed("tasks", []),
    "backlog.assign_all": {"tasks": [task()]},
    "plan.check": {
        "description": "Auth",
        "waves": [
            [
                {
                    "id": "design",
                    "description": "Design",
                    "agent": "architect",
                    "run": None,
                    "depends_on": [],
                    "group": None,
                }
            ]
        ],
        "groups": [],
        "warnings": [],
    },
    "plan.push": {
        "added": [{"id": "design", "state": "pending", "why": ""}],
        "updated": [],
        "unchanged": [],
        "kept": [],
        "removed": [],
        "plan": plan("waiting"),
    },
    "plan.pull": lambda args: {"text": args["text"] + "# pulled\n", "changed": [{"id": "design"}]},
    "plan.list": listed("plans", [plan("running"), plan("paused", name="billing")]),
    "plan.status": {
        "plan": plan("running"),
        "agents": [{"name": "developer", "tasks": {"running": 1}}, {"name": None, "tasks": {}}],
        "tasks": [task("design", "running")],
        "tasks_left": 0,
        "event": "0-0",
    },
    **{f"plan.{done}": {"plan": plan("cancelled")} for done in ("pause", "resume", "cancel")},
    **{f"plan.{done}": {"plan": plan("running")} for done in ("approve", "reject")},
    "town.report": {
        "since": NOW,
        "until": NOW,
        "plans": [plan()],
        "counts": [{"plan": None, "done": 1, "failed": 1}],
        "done": [FINISHED],
        "failed": [{**FINISHED, "result": None, "error": "no"}],
        "cost": {
            **USED,
            "agents": [{"name": "developer", **USED}],
            "whole": True,
        },
        "needs": [{"kind": "task", "id": "t1", "why": "failed: no", "command": "tt task retry t1"}],
        "needs_left": 0,
    },
    "conductor.start": {
        "conductor": {"on": True, "plan": plan("running"), "asked": 0, "cli": "claude"},
        "spawned": [],
        "missing": [],
    },
    "conductor.stop": {
        "conductor": {"on": False, "plan": plan("waiting"), "asked": 0, "cli": "claude"}
    },
    "conductor.context": {"prompt": "You are the conductor\n"},
    "conductor.status": conducting("completed", [task("design", "completed", result="Done it")]),
}
