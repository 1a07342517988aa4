"""claude's stream-json, which cursor-agent and the rehearsal print as well."""

from __future__ import annotations

from tinytownd.domain.jsonlines import Record, items, table
from tinytownd.runtimes.readers.base import JsonLines, RateLimit, amount, count, session, words
from tinytownd.runtimes.readers.limits import LIMIT_STATUSES, from_epoch, limit_in

_INPUT = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class Claude(JsonLines):
    """Lines of type system, assistant, user and rate_limit_event, then one of type result."""

    format = "claude"

    def record(self, record: Record) -> None:
        transcript = self.transcript
        transcript.session = session(record.get("session_id")) or transcript.session
        match record.get("type"):
            case "assistant" if not record.get("parent_tool_use_id"):
                transcript.text = _said(record) or transcript.text
            case "rate_limit_event":
                self._limit_event(table(record.get("rate_limit_info")))
            case "result":
                self._result(record)

    def _limit_event(self, info: Record) -> None:
        if info.get("status") == "rejected":
            self.transcript.limit = RateLimit(from_epoch(info.get("resetsAt")))

    def _result(self, record: Record) -> None:
        transcript = self.transcript
        subtype = words(record.get("subtype"))
        # A refused request has subtype "success" with is_error: the flag decides.
        transcript.failed = bool(record.get("is_error")) or subtype.startswith("error")
        said = words(record.get("result"))
        if transcript.failed:
            errors = "; ".join(filter(None, map(words, items(record.get("errors")))))
            transcript.error = said or errors or subtype or "it failed without a reason"
            self._limit_from(record.get("api_error_status"), transcript.error)
        else:
            transcript.text, transcript.error = said or transcript.text, None
        usage = table(record.get("usage"))
        transcript.input_tokens = sum(count(usage.get(key)) for key in _INPUT)
        transcript.output_tokens = count(usage.get("output_tokens"))
        transcript.cost_usd = amount(record.get("total_cost_usd"))

    def _limit_from(self, status: object, error: str) -> None:
        found = limit_in(error, self.clock())
        if found is None and isinstance(status, int) and status in LIMIT_STATUSES:
            found = RateLimit()
        known = self.transcript.limit
        if found and not (known and known.resets_at):
            self.transcript.limit = found


def _said(record: Record) -> str:
    blocks = map(table, items(table(record.get("message")).get("content")))
    return words("\n".join(words(block.get("text")) for block in blocks if "text" in block))
