"""codex's `exec --json`: a thread, its items, and one turn that completes or fails."""

from __future__ import annotations

from tinytownd.domain.jsonlines import Record, parse, table
from tinytownd.runtimes.readers.base import JsonLines, count, session, words
from tinytownd.runtimes.readers.limits import limit_in


class Codex(JsonLines):
    """`error` lines may only announce a reconnect: the turn's own record is the verdict.

    Usage is the thread's total, earlier rounds of a resumed session counted.
    """

    format = "codex"

    def record(self, record: Record) -> None:
        transcript = self.transcript
        match record.get("type"):
            case "thread.started":
                transcript.session = session(record.get("thread_id"))
            case "item.completed":
                item = table(record.get("item"))
                if item.get("type") == "agent_message":
                    transcript.text = words(item.get("text")) or transcript.text
            case "error":
                transcript.error = _message(record) or transcript.error
            case "turn.completed":
                transcript.failed, transcript.error = False, None
                usage = table(record.get("usage"))
                transcript.input_tokens = count(usage.get("input_tokens"))
                transcript.output_tokens = count(usage.get("output_tokens"))
                transcript.cumulative = True
            case "turn.failed":
                transcript.failed = True
                error = _message(table(record.get("error"))) or transcript.error
                transcript.error = error or "it failed without a reason"
                transcript.limit = limit_in(transcript.error, self.clock())


def _message(holder: Record) -> str:
    """The message; the API's own errors come as JSON inside it."""
    message = words(holder.get("message"))
    inner = table(parse(message))
    return words(table(inner.get("error")).get("message")) or message
