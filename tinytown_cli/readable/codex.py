"""codex's `exec --json`: a thread, its items, and turns that complete or fail."""

from __future__ import annotations

import re

from tinytown_cli.readable.values import Entry, number, reason, told, tool, words
from tinytownd.domain.jsonlines import Record, items, parse, table

_SILENT = frozenset({"thread.started", "turn.started", "turn.completed", "item.updated"})
#: Items that are told when they start, so that one sees what it is at; the others when they end.
_AT_ONCE = frozenset({"command_execution", "mcp_tool_call"})
#: The shell that codex puts around a command: /bin/bash -lc '…'.
_SHELL = re.compile(r"\S*sh -l?c (['\"])(.*)\1\s*", re.DOTALL)


def is_codex(record: Record) -> bool:
    """Whether the format may be this one."""
    return words(record.get("type")).startswith(("thread.", "turn.", "item."))


def codex(record: Record) -> list[Entry] | None:
    """What a line tells; None where it is none of this format."""
    kind = record.get("type")
    found: list[Entry] | None = None
    match kind:
        case "item.started":
            item = table(record.get("item"))
            sort = words(item.get("type"))
            found = _called(item) if sort in _AT_ONCE else [] if sort else None
        case "item.completed":
            found = _completed(table(record.get("item")))
        case "error":
            found = told("error", _message(record))
        case "turn.failed":
            why = _message(table(record.get("error")))
            found = told("error", why or "it failed without a reason")
        case str() if kind in _SILENT:
            found = []
    return found


def _completed(item: Record) -> list[Entry] | None:
    found: list[Entry] | None = None
    match item.get("type"):
        case "agent_message":
            found = told("said", words(item.get("text")))
        case "reasoning":
            found = told("thought", words(item.get("text")))
        case "error":
            found = told("error", _message(item))
        case "todo_list":
            found = told("note", _plan(item))
        case "command_execution" | "mcp_tool_call":
            found = _failure(item)
        case "file_change" | "web_search":
            found = [*_called(item), *_failure(item)]
    return found


def _called(item: Record) -> list[Entry]:
    match item.get("type"):
        case "command_execution":
            command = words(item.get("command"))
            inner = _SHELL.fullmatch(command)
            return [tool("shell", inner[2] if inner else command)]
        case "mcp_tool_call":
            name = ".".join(filter(None, map(words, (item.get("server"), item.get("tool")))))
            return [tool(name, item.get("arguments"))]
        case "file_change":
            changes = map(table, items(item.get("changes")))
            parts = (f"{words(one.get('kind'))} {words(one.get('path'))}" for one in changes)
            return [tool("edit", ", ".join(parts))]
        case kind:
            return [tool(kind, item)]


def _failure(item: Record) -> list[Entry]:
    code = number(item.get("exit_code"))
    if item.get("status") != "failed" and not code:
        return []
    printed = words(item.get("aggregated_output")) or _message(table(item.get("error")))
    head = f"exit code {code}" if code is not None else ""
    return [Entry("failed", reason(f"{head}\n{printed}") or "no reason given")]


def _plan(item: Record) -> str:
    """A to-do list on one line: [x] what is done, [ ] what is not."""
    points = map(table, items(item.get("items")))
    marks = (f"[{'x' if one.get('completed') else ' '}] {words(one.get('text'))}" for one in points)
    return "plan: " + "  ".join(marks)


def _message(holder: Record) -> str:
    """The message; the API's own errors come as JSON inside it."""
    message = words(holder.get("message"))
    inner = table(table(parse(message)).get("error"))
    return words(inner.get("message")) or message
