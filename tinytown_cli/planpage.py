"""Plans as text for people: a file's in waves, and the town's as they stand."""

from __future__ import annotations

from tinytown_cli import layout, output

TYPE_CHECKING = False  # see `jsontext`
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tinytown_cli import client

_COUNTS = ("running", "blocked", "failed", "cancelled", "pending")


def waves(reply: client.Data, file: str) -> Iterator[str]:
    """What can run side by side."""
    if not reply["waves"]:
        yield f"No tasks in {file} yet"
    if reply["description"]:
        yield output.paint(output.first_line(reply["description"]), "bold")
    rows = [
        (
            number if place == 0 else "",
            task["id"],
            task["agent"] or ("shell" if task["run"] else "(backlog)"),
            ", ".join(task["depends_on"]) or "-",
            task["run"] or task["description"],
        )
        for number, wave in enumerate(reply["waves"], 1)
        for place, task in enumerate(wave)
    ]
    if rows:
        yield from output.table(("wave", "id", "agent", "after", "task"), rows)
    for one in reply["groups"]:
        children = ", ".join(one["children"])
        yield f"group {one['id']}: {output.first_line(one['description'])} ({children})"
    yield from warnings(reply)


def summary(reply: client.Data, file: str) -> Iterator[str]:
    """That a file is sound."""
    count = sum(map(len, reply["waves"]))
    many = output.plural(len(reply["waves"]), "wave")
    yield f"{file} is sound: {output.plural(count, 'task')} in {many}"
    yield from warnings(reply)


def warnings(reply: client.Data) -> Iterator[str]:
    """What can be carried out, but is hardly meant."""
    for warning in reply["warnings"]:
        yield output.paint(f"warning: {warning['message']}", "yellow")


def listed(plans: list[client.Data]) -> Iterator[str]:
    """All plans of a town, one a line."""
    if not plans:
        yield "No plans yet. Try: tt plan --init, tt sync push"
        return
    rows = [
        (
            plan["name"],
            plan["state"],
            f"{plan['completed']} of {plan['total']}",
            "-" if plan["seconds"] is None else output.duration(plan["seconds"]),
            f"{plan['tokens']:,}",
            f"{plan['cost_usd']:.2f}",
            plan["owner"],
            plan["description"] or "",
        )
        for plan in plans
    ]
    headers = ("plan", "state", "done", "took", "tokens", "$", "owner", "about")
    yield from output.table(headers, rows)


def line(plan: client.Data) -> str:
    """A plan in one line: how far, in what state."""
    told = layout.counts({state: plan[state] for state in _COUNTS}, ", ")
    state = output.paint_state(plan["state"])
    return f"{state}, {plan['completed']} of {plan['total']} done{told}"


def page(reply: client.Data) -> Iterator[str]:
    """One plan: how far, who, how long, for how much, and its tasks."""
    plan = reply["plan"]
    about = f"  {output.first_line(plan['description'])}" if plan["description"] else ""
    yield f"{output.paint(plan['name'], 'bold')}{about}"
    yield f"  state   {line(plan)}"
    yield f"  owner   {plan['owner']}"
    if plan["seconds"] is not None:
        yield f"  took    {output.duration(plan['seconds'])}"
    yield f"  used    {used(plan)}"
    for agent in reply["agents"]:
        yield f"  {agent['name'] or '(backlog)'}: {layout.counts(agent['tasks'])}"
    if reply["tasks"]:
        yield ""
        yield from layout.task_table(reply["tasks"])
    if reply["tasks_left"]:
        yield output.paint(f"… and {reply['tasks_left']:,} more: tt task list --all", "dim")


def used(one: client.Data) -> str:
    """Tokens and money; a CLI that does not tell what it costs costs nothing here."""
    money = f", ${one['cost_usd']:.2f}" if one["cost_usd"] else ""
    return f"{one['tokens']:,} tokens{money}"
