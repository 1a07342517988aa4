"""opencode's `run --format json`: texts and steps; the step that calls no tool is the last."""

from __future__ import annotations

from tinytownd.domain.jsonlines import Record, table
from tinytownd.runtimes.readers.base import JsonLines, amount, count, session, words
from tinytownd.runtimes.readers.limits import limit_in


class OpenCode(JsonLines):
    """Tokens and costs come a step each and are added up."""

    format = "opencode"

    def record(self, record: Record) -> None:
        transcript = self.transcript
        transcript.session = session(record.get("sessionID")) or transcript.session
        part = table(record.get("part"))
        match record.get("type"):
            case "text":
                transcript.text = words(part.get("text")) or transcript.text
            case "step_finish":
                self._step(part)
            case "error":
                error = table(record.get("error"))
                message = words(table(error.get("data")).get("message"))
                transcript.failed = True
                transcript.error = message or words(error.get("name")) or "it failed"
                transcript.limit = limit_in(transcript.error, self.clock())

    def _step(self, part: Record) -> None:
        transcript = self.transcript
        tokens = table(part.get("tokens"))
        cache = table(tokens.get("cache"))
        parts = (tokens.get("input"), cache.get("read"), cache.get("write"))
        transcript.input_tokens += sum(map(count, parts))
        transcript.output_tokens += count(tokens.get("output"))
        if (cost := amount(part.get("cost"))) is not None:
            transcript.cost_usd = (transcript.cost_usd or 0.0) + cost
        if part.get("reason") != "tool-calls" and not transcript.failed:
            transcript.failed = False
