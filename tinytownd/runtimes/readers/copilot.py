"""copilot's `--output-format json`: events with their content in `data`, then one result."""

from __future__ import annotations

from tinytownd.domain.jsonlines import Record, table
from tinytownd.runtimes.readers.base import JsonLines, session, words
from tinytownd.runtimes.readers.limits import limit_in


class Copilot(JsonLines):
    """The result carries the exit code; it counts premium requests, not tokens."""

    format = "copilot"

    def record(self, record: Record) -> None:
        transcript = self.transcript
        data = table(record.get("data"))
        match record.get("type"):
            case "assistant.message":
                transcript.text = words(data.get("content")) or transcript.text
            case "session.error":
                transcript.error = words(data.get("message")) or transcript.error
            case "result":
                transcript.session = session(record.get("sessionId"))
                transcript.failed = record.get("exitCode") != 0
                if transcript.failed:
                    transcript.error = transcript.error or "it failed without a reason"
                    transcript.limit = limit_in(transcript.error, self.clock())
                else:
                    transcript.error = None
