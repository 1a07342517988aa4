"""gemini's `-o stream-json`: init, messages in pieces, tools, then one result."""

from __future__ import annotations

from tinytownd.domain.jsonlines import Record, table
from tinytownd.runtimes.readers.base import JsonLines, count, session, words
from tinytownd.runtimes.readers.limits import limit_in


class Gemini(JsonLines):
    """The final text is what was said since the last tool was used."""

    format = "gemini"

    def record(self, record: Record) -> None:
        transcript = self.transcript
        match record.get("type"):
            case "init":
                transcript.session = session(record.get("session_id"))
            case "message" if record.get("role") == "assistant":
                earlier = transcript.text if record.get("delta") else ""
                transcript.text = words(earlier + words(record.get("content")))
            case "tool_use":
                transcript.text = ""
            case "error":
                transcript.error = words(record.get("message")) or transcript.error
            case "result":
                self._result(record)

    def _result(self, record: Record) -> None:
        transcript = self.transcript
        transcript.failed = record.get("status") != "success"
        if transcript.failed:
            error = words(table(record.get("error")).get("message")) or transcript.error
            transcript.error = error or "it failed without a reason"
            transcript.limit = limit_in(transcript.error, self.clock())
        else:
            transcript.error = None
        stats = table(record.get("stats"))
        transcript.input_tokens = count(stats.get("input_tokens"))
        transcript.output_tokens = count(stats.get("output_tokens"))
