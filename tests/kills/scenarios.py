"""How each verb is tried. A verb that is added to the daemon needs its line here."""

from __future__ import annotations

from tests.kills.runs import DIR, OLD, Scenario

PLAN = """\
[meta]
description = "A shop"

[[tasks]]
id = "cart"
description = "Build the cart"
agent = "a"

[[tasks]]
id = "till"
description = "Build the till"
agent = "b"
depends_on = ["cart"]
"""

#: Members of the team that never start a round: work comes to them and waits.
A = (("agent.spawn", {"name": "a"}), ("agent.interrupt", {"name": "a"}))
B = (("agent.spawn", {"name": "b"}), ("agent.interrupt", {"name": "b"}))
COLD = (("agent.spawn", {"name": "a"}), ("agent.close", {"name": "a"}))
ATTACHED = ("agent.attach", {"name": "a"})
TASK = ("task.assign", {"agent": "a", "text": "Build it"})
DONE = ("task.complete", {"task": "t1"})
ARCHIVED = ("town.archive", {"older": 0})
HELLO = ("message.send", {"to": "a", "text": "Hello"})
GUARDED = ("task.assign", {"agent": "a", "text": "Deploy it", "approve": True})
IDEA = ("backlog.add", {"text": "Some day"})
#: The conductor's agent comes with the first message, and starts no round from then on.
PAUSED = (
    ("message.send", {"to": "conductor", "text": "Hello"}),
    ("agent.interrupt", {"name": "conductor"}),
)
PUSHED = (*A, *B, ("plan.push", {"text": PLAN}))
PROPOSED = (*A, *B, ("plan.push", {"text": PLAN, "propose": True}))
MAIN = {"name": "main"}
CONDUCTED = (*PUSHED, ("conductor.start", {"spawn": False}))
SAVED = ("town.save", {"path": f"{DIR}/shop.save"})
ONE = {"task": "t1"}

SCENARIOS: dict[str, Scenario] = {
    # The home
    "town.init": Scenario({"dir": DIR}, town=False),
    "town.open": Scenario(
        {"dir": DIR}, town=False, files={"tinytown.toml": '[town]\nname = "x"\n'}
    ),
    "town.list": Scenario(),
    "town.forget": Scenario({"dir": DIR}, (*A, TASK)),
    # A rehearsal lives no longer than its daemon.
    "town.rehearse": Scenario({"dir": DIR, "plan": PLAN}, restarted=True),
    "daemon.status": Scenario(),
    # Answered or not: a daemon that reads it stops.
    "daemon.stop": Scenario(stops=True),
    "config.list": Scenario({"dir": DIR}),
    "config.set": Scenario({"dir": DIR, "key": "town.max_agents", "value": "3"}),
    # Agents
    "agent.spawn": Scenario({"name": "a", "role": "dev"}),
    "agent.list": Scenario(before=A),
    "agent.rounds": Scenario({"name": "a"}, (*A, TASK)),
    "agent.kill": Scenario({"name": "a"}, (*A, TASK)),
    "agent.close": Scenario({"name": "a"}, A),
    "agent.interrupt": Scenario({"name": "a"}, A[:1]),
    "agent.resume": Scenario({"name": "a"}, A),
    "agent.restart": Scenario({"name": "a"}, A),
    "agent.attach": Scenario({"name": "a"}, A[:1]),
    "agent.session": Scenario({"name": "a"}, (A[0], ATTACHED)),
    "agent.detach": Scenario({"name": "a", "resume": True}, (A[0], ATTACHED)),
    "agent.prune": Scenario(before=COLD),
    "town.stop": Scenario(before=A),
    "town.start": Scenario(before=COLD),
    # The town
    "town.status": Scenario(before=(*A, TASK)),
    "town.history": Scenario(before=(*A, TASK)),
    "town.wait": Scenario(before=A),
    "town.archive": Scenario({"older": 0}, (*A, TASK, DONE)),
    "town.recover": Scenario(before=(*A, TASK)),
    "town.reset": Scenario(before=(*A, TASK)),
    "town.save": Scenario({"path": f"{DIR}/shop.save"}, (*A, TASK)),
    "town.restore": Scenario({"path": f"{DIR}/shop.save"}, (*A, TASK, SAVED, ("town.reset", {}))),
    "town.migrate": Scenario({"source": OLD}, old=True),
    # Tasks
    "task.assign": Scenario({"agent": "a", "text": "Build it"}, A),
    "task.show": Scenario(ONE, (*A, TASK)),
    "task.rounds": Scenario(ONE, (*A, TASK)),
    "task.list": Scenario(before=(*A, TASK)),
    "task.archived": Scenario(before=(*A, TASK, DONE, ARCHIVED)),
    "task.current": Scenario({"agent": "a"}, (*A, TASK)),
    "task.complete": Scenario({"task": "t1", "result": "done"}, (*A, TASK)),
    "task.fail": Scenario({"task": "t1", "reason": "broken"}, (*A, TASK)),
    "task.approve": Scenario(ONE, (*A, GUARDED)),
    "task.reject": Scenario({"task": "t1", "reason": "not today"}, (*A, GUARDED)),
    "task.ask": Scenario({"text": "Which port?"}, (*A, TASK), refused=True),
    "question.list": Scenario(before=(*A, GUARDED)),
    "question.answer": Scenario({"question": "t1", "text": "yes"}, (*A, GUARDED)),
    "task.cancel": Scenario(ONE, (*A, TASK)),
    "task.retry": Scenario(ONE, (*A, TASK, ("task.fail", ONE))),
    "task.reclaim": Scenario({"source": "a", "to": "b"}, (*A, *B, TASK)),
    "task.edit": Scenario({"task": "t1", "text": "Build it well"}, (*A, TASK)),
    "task.move": Scenario({"task": "t1", "agent": "b"}, (*A, *B, TASK)),
    # Messages
    "message.send": Scenario({"all": True, "text": "Hello"}, (*A, *B)),
    "message.inbox": Scenario({"all": True}, (*A, HELLO)),
    "message.read": Scenario({"agent": "a"}, (*A, HELLO)),
    "message.thread": Scenario({"message": "m1"}, (*A, HELLO)),
    # The backlog
    "backlog.add": Scenario({"text": "Some day"}),
    "backlog.list": Scenario(before=(IDEA,)),
    "backlog.claim": Scenario({"task": "t1", "agent": "a"}, (*A, IDEA)),
    "backlog.assign_all": Scenario({"agent": "a"}, (*A, IDEA, IDEA)),
    "backlog.remove": Scenario(ONE, (IDEA,)),
    # The plan
    "plan.check": Scenario({"text": PLAN}),
    "plan.push": Scenario({"text": PLAN}, (*A, *B)),
    "plan.pull": Scenario({"text": PLAN}, PUSHED),
    "plan.list": Scenario(before=PUSHED),
    "plan.status": Scenario(before=PUSHED),
    "plan.pause": Scenario(MAIN, CONDUCTED),
    "plan.resume": Scenario(MAIN, (*CONDUCTED, ("plan.pause", MAIN))),
    "plan.cancel": Scenario(MAIN, CONDUCTED),
    "plan.approve": Scenario(MAIN, PROPOSED),
    "plan.reject": Scenario({**MAIN, "reason": "too big"}, PROPOSED),
    "town.report": Scenario(before=CONDUCTED),
    "conductor.start": Scenario({"spawn": True}, (*A, ("plan.push", {"text": PLAN}))),
    "conductor.stop": Scenario(before=CONDUCTED),
    "conductor.goal": Scenario({"text": "Build a shop"}, PAUSED),
    "conductor.context": Scenario(before=(*A, TASK)),
    "conductor.chat": Scenario(before=A),
    "conductor.status": Scenario(before=CONDUCTED),
}
