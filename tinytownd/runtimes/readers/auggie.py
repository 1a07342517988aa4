"""auggie's `--output-format json`: one object at the end (its field names are from its bundle)."""

from __future__ import annotations

from tinytownd.runtimes.readers.base import LINE_LIMIT, JsonLines, Record, session, words
from tinytownd.runtimes.readers.limits import limit_in


class Auggie(JsonLines):
    """Takes the object on one line, or spread over lines between a lone `{` and a lone `}`."""

    format = "auggie"

    def line(self, line: bytes) -> None:
        if line == b"{":
            self._spread = bytearray()
        if self._spread is not None:
            self._spread += line
            if line == b"}" or len(self._spread) > LINE_LIMIT:
                line, self._spread = bytes(self._spread), None
        if self._spread is None:
            super().line(line)

    _spread: bytearray | None = None

    def record(self, record: Record) -> None:
        if "result" not in record and "is_error" not in record:
            return
        transcript = self.transcript
        transcript.session = session(record.get("session_id")) or transcript.session
        said, subtype = words(record.get("result")), words(record.get("subtype"))
        transcript.failed = bool(record.get("is_error")) or subtype.startswith("error")
        if transcript.failed:
            transcript.error = said or subtype or "it failed without a reason"
            transcript.limit = limit_in(transcript.error, self.clock())
        else:
            transcript.text = said
