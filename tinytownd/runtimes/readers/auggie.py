"""auggie's `--output-format json`: one object at the end (its field names are from its bundle)."""

from __future__ import annotations

from tinytownd.domain.jsonlines import Record
from tinytownd.runtimes.readers.base import LINE_LIMIT, Clock, JsonLines, local_now, session, words
from tinytownd.runtimes.readers.limits import limit_in


class Auggie(JsonLines):
    """Takes the object on one line, or spread over lines from a lone `{` to the `}` that fits."""

    format = "auggie"

    def __init__(self, clock: Clock = local_now) -> None:
        super().__init__(clock)
        self._spread = bytearray()
        self._depth = 0

    def line(self, line: bytes) -> None:
        if not self._spread and line != b"{":
            super().line(line)
            return
        self._spread += line
        # As JSON is indented, what opens ends its line, and what closes begins one.
        self._depth += line.endswith((b"{", b"[")) - line.startswith((b"}", b"]"))
        if self._depth == 0 or len(self._spread) > LINE_LIMIT:
            whole, self._depth = bytes(self._spread), 0
            self._spread.clear()
            super().line(whole)

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
