"""claude's stream-json, which cursor-agent and the rehearsal print as well; auggie's one object."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tinytown_cli.readable.values import Entry, reason, short, told, tool, words
from tinytownd.domain.jsonlines import Record, items, table

_TYPES = frozenset({"system", "assistant", "user", "result", "rate_limit_event", "stream_event"})
#: Of `system`: what begins a session says nothing that the round's heading does not.
_BEGIN = frozenset({"init"})
#: The "model" of what the CLI says in its agent's place: that a request was refused.
_OWN = "<synthetic>"


def is_claude(record: Record) -> bool:
    """Whether the format may be this one."""
    return words(record.get("type")) in _TYPES and "session_id" in record


def is_auggie(record: Record) -> bool:
    """Whether it is auggie's object: a `result` of claude's, without its type."""
    return "type" not in record and "result" in record and "is_error" in record


def claude(record: Record) -> list[Entry] | None:
    """What a line tells; None where it is none of this format."""
    found: list[Entry] | None = None
    match record.get("type"):
        case "system":
            found = _system(record)
        case "assistant":
            found = _by_whom(record, list(_blocks(record, _said)))
            if table(record.get("message")).get("model") == _OWN:
                found = [entry._replace(kind="error") for entry in found]
        case "user":
            found = _by_whom(record, list(_blocks(record, _came_back)))
        case "rate_limit_event":
            found = _limit(table(record.get("rate_limit_info")))
        case "result":
            found = result(record)
        case "stream_event":
            found = []  # pieces of what comes whole
    return found


def result(record: Record) -> list[Entry]:
    """The final record. A refused request has subtype `success` with `is_error`: that decides."""
    said, subtype = words(record.get("result")), words(record.get("subtype"))
    if record.get("is_error") or subtype.startswith("error"):
        errors = "; ".join(filter(None, map(words, items(record.get("errors")))))
        return told("error", said or errors or subtype or "it failed without a reason")
    return told("result", said)


def _system(record: Record) -> list[Entry]:
    subtype = words(record.get("subtype"))
    if subtype in _BEGIN:
        return []
    if subtype == "api_retry":
        why = words(record.get("error")) or words(record.get("error_status"))
        return told("note", f"the request is tried again: {short(why) or 'no reason given'}")
    more = words(record.get("message")) or words(record.get("status"))
    return told("note", ": ".join(filter(None, (subtype, short(more)))))


def _by_whom(record: Record, entries: list[Entry]) -> list[Entry]:
    """What a sub-agent did is not to be taken for the agent's own words."""
    if not record.get("parent_tool_use_id"):
        return entries
    return [entry._replace(text=f"(sub-agent) {entry.text}") for entry in entries]


def _blocks(record: Record, read: Callable[[Record], list[Entry]]) -> Iterator[Entry]:
    content = table(record.get("message")).get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else items(content)
    for block in map(table, blocks):
        yield from read(block)


def _said(block: Record) -> list[Entry]:
    match block.get("type"):
        case "text":
            return told("said", words(block.get("text")))
        case "thinking":
            return told("thought", words(block.get("thinking")))
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            return [tool(block.get("name"), block.get("input"))]
    return []


def _came_back(block: Record) -> list[Entry]:
    """What a tool gave back, where it failed."""
    if block.get("type") != "tool_result" or not block.get("is_error"):
        return []
    content = block.get("content")
    texts = [words(table(part).get("text")) for part in items(content)]
    text = words(content) or "\n".join(texts)
    return [Entry("failed", reason(text) or "no reason given")]


def _limit(info: Record) -> list[Entry]:
    if info.get("status") != "rejected":
        return []
    return told(
        "error", f"rate limit: {words(info.get('rateLimitType')) or 'requests are refused'}"
    )
