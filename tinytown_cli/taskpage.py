"""Tasks as text for people, and what is said of one that was changed."""

from __future__ import annotations

from tinytown_cli import layout, output

TYPE_CHECKING = False  # see `jsontext`
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tinytown_cli import client


def assigned(reply: client.Data) -> None:
    """The reply to `task.assign`, with a note when its agent will not begin."""
    one, owner = reply["task"], reply["agent"]
    changed(one, f"is assigned to {layout.owner(one)}")
    if owner is None:
        return
    back = "tt resume" if owner["desired"] == "pause" else "tt restart"
    if owner["desired"] != "run" or owner["state"] == "error":
        output.note(f"{owner['name']} is {owner['state']}: it starts after {back} {owner['name']}")
    elif owner["hold"]:
        until, why = owner["hold"]["until"], owner["hold"]["reason"]
        ends = f" until {output.clock(until)}" if until else ""
        way = f"not to wait: tt resume {owner['name']}" if until else "tt inbox conductor"
        output.note(f"{owner['name']} is held{ends}: {why} ({way})")


def completed(reply: client.Data) -> None:
    """The reply to `task.complete`."""
    changed(reply["task"], "is completed")


def current(reply: client.Data) -> None:
    """The reply to `task.current`."""
    one = reply["task"]
    output.show(one, page(one, []) if one else ["No task"])


def changed(one: client.Data, said: str) -> None:
    """One task that was changed: a line for people, with what `said` does not say anyhow."""
    if one["state"] == "blocked" and one["approve"] and not one["approved"]:
        way = f"it waits for an approval: tt approve {one['id']}"
        output.show(one, [f"Task {one['id']} {said}; {way}"])
        return
    waits = f"waits for {', '.join(one['waits_for'])}" if one["waits_for"] else ""
    more = [part for part in (layout.owner(one), one["state"], waits) if part]
    told = ", ".join(part for part in more if part not in said.split())
    output.show(one, [f"Task {one['id']} {said}" + (f" ({told})" if told else "")])


def page(one: client.Data, rounds: list[client.Data]) -> Iterator[str]:
    """All of one task, and its rounds."""
    yield f"{output.paint(one['id'], 'bold')}  {output.paint_state(one['state'])}"
    for label, value in (
        ("agent", layout.owner(one) or "nobody (backlog)"),
        ("priority", one["priority"]),
        ("tags", ", ".join(one["tags"])),
        ("parent", one["parent"]),
        ("after", ", ".join(one["depends_on"])),
        ("join", _join(one)),
        ("waits for", ", ".join(one["waits_for"])),
        ("not before", output.clock(one["not_before"]) if one["not_before"] else ""),
        ("attempts", one["attempts"] or ""),
        ("approval", ("given" if one["approved"] else "needed") if one["approve"] else ""),
        ("check", one["check"]),
        ("review", one["review"]),
        ("sent back", output.times(one["reworks"])),
        ("gate of", one["gate_of"]),
        ("created", output.ago(one["created_at"])),
        ("started", output.ago(one["started_at"])),
        ("finished", output.ago(one["finished_at"])),
        ("runs", one["run"]),
    ):
        if value:
            yield f"{label:<11}{output.clean(str(value))}"
    for label in ("description", "result", "error", "feedback"):
        if one[label]:
            yield from ("", output.paint(label, "dim"), output.clean(one[label]))
    for one_round in rounds:
        yield ""
        outcome = one_round["outcome"] or "running"
        took = output.duration(one_round["seconds"] or 0)
        yield f"round {one_round['round']} by {one_round['agent']}: {outcome}, {took}"


def _join(one: client.Data) -> str:
    """How many of what it is after are enough, and whether failures count; "" for all of them."""
    enough = f"{one['join']} of them" if one["join"] != "all" else ""
    counts = "those that failed count" if one["failures"] == "count" else ""
    return "; ".join(part for part in (enough, counts) if part)
