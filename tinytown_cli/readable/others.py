"""gemini's `-o stream-json`, copilot's `--output-format json`, opencode's `run --format json`."""

from __future__ import annotations

from tinytown_cli.readable.values import Entry, reason, told, tool, words
from tinytownd.domain.jsonlines import Record, table


def is_gemini(record: Record) -> bool:
    """Whether the format may be this one."""
    return record.get("type") == "init" and "session_id" in record


def gemini(record: Record) -> list[Entry] | None:
    """What a line tells; None where it is none of this format."""
    found: list[Entry] | None = None
    match record.get("type"):
        case "init":
            found = []
        case "message" if record.get("role") == "assistant":
            text = words(record.get("content"))
            found = [Entry("said", text, piece=bool(record.get("delta")))] if text else []
        case "message":
            found = []  # its prompt
        case "tool_use":
            found = [tool(record.get("tool_name"), record.get("parameters"))]
        case "tool_result":
            error = words(table(record.get("error")).get("message"))
            why = reason(error or words(record.get("output"))) or "no reason given"
            found = [Entry("failed", why)] if record.get("status") == "error" else []
        case "error":
            found = told("error", words(record.get("message")))
        case "result" if record.get("status") == "success":
            found = []
        case "result":
            why = words(table(record.get("error")).get("message"))
            found = told("error", why or "it failed without a reason")
    return found


#: Of copilot's events, those that repeat what others tell, or tell nothing of the work.
_SILENT = ("session.", "user.", "assistant.turn", "assistant.usage", "assistant.intent")


def is_copilot(record: Record) -> bool:
    """Whether the format may be this one."""
    return "." in words(record.get("type")) and isinstance(record.get("data"), dict)


def copilot(record: Record) -> list[Entry] | None:
    """What a line tells; None where it is none of this format."""
    kind, data = words(record.get("type")), table(record.get("data"))
    found: list[Entry] | None = None
    match kind:
        case "assistant.message":
            found = told("said", words(data.get("content")))
        case "assistant.reasoning":
            found = told("thought", words(data.get("content")))
        case "tool.execution_start":
            found = [tool(data.get("toolName"), data.get("arguments"))]
        case "tool.execution_complete":
            why = words(table(data.get("error")).get("message"))
            failed = data.get("success") is False
            found = [Entry("failed", reason(why) or "no reason given")] if failed else []
        case "session.error":
            found = told("error", words(data.get("message")))
        case "result":
            found = []
        case _ if kind.startswith(_SILENT) or kind.endswith("_delta"):
            found = []
    return found


def is_opencode(record: Record) -> bool:
    """Whether the format may be this one."""
    return "sessionID" in record and "type" in record


def opencode(record: Record) -> list[Entry] | None:
    """What a line tells; None where it is none of this format."""
    part = table(record.get("part"))
    found: list[Entry] | None = None
    match record.get("type"):
        case "text":
            found = told("said", words(part.get("text")))
        case "reasoning":
            found = told("thought", words(part.get("text")))
        case "tool_use" | "tool":
            state = table(part.get("state"))
            called = tool(part.get("tool"), state.get("input"))
            why = reason(words(state.get("error"))) or "no reason given"
            found = [called, Entry("failed", why)] if state.get("status") == "error" else [called]
        case "step_start" | "step_finish":
            found = []
        case "error":
            error = table(record.get("error"))
            message = words(table(error.get("data")).get("message"))
            found = told("error", message or words(error.get("name")) or "it failed")
    return found
