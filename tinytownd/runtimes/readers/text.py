"""Plain text: its end is the result, and the exit code the verdict. aider needs a closer look."""

from __future__ import annotations

import re

from tinytownd.runtimes.readers.base import Clock, Reader, Transcript, local_now, words
from tinytownd.runtimes.readers.limits import limit_in

# Bytes kept of the output's end.
TAIL = 4096

# aider reports a failed model call as `litellm.SomeError: …` and a good one with a line of counts.
_AIDER_CALL = re.compile(r"^(?:(litellm\.\w*(?:Error|Exception)\b.*)|Tokens: .*)$", re.MULTILINE)


class Text(Reader):
    """Any program's output."""

    format = "text"

    def __init__(self, clock: Clock = local_now) -> None:
        super().__init__(clock)
        self._tail = b""

    def feed(self, data: bytes) -> None:
        self._tail = (self._tail + data[-TAIL:])[-TAIL:]

    def finish(self) -> Transcript:
        # The cut may have gone through a character.
        text = self._tail.decode("utf-8", "replace").lstrip("\N{REPLACEMENT CHARACTER}")
        self.transcript.text = words(text).strip()
        return self.transcript


class Aider(Text):
    """aider exits 0 also when the model call failed: the last call's line decides then."""

    format = "aider"

    def finish(self) -> Transcript:
        transcript = super().finish()
        calls = list(_AIDER_CALL.finditer(transcript.text))
        if calls and (error := calls[-1][1]):
            transcript.failed, transcript.error = True, error
            transcript.limit = limit_in(error, self.clock())
        return transcript
