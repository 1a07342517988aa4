"""A line that is being typed into bash: its words, and what bash puts in place of the last.

bash itself cuts words at colons and equals signs, too, and replaces only what comes after them;
the other shells pass whole words, and quote by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: What needs no backslash before it outside of quotes.
_PLAIN = frozenset("@%+=:,./_-")


class Line:
    """The line up to the cursor, and the characters after which bash begins a word of its own."""

    def __init__(self, line: str, breaks: str = "") -> None:
        self._breaks = "".join(char for char in breaks if char in ":=@")
        self._quote = ""
        words = self._split(line)
        #: The words after the command's name; the last is the one at the cursor.
        self.words = words[1:] or [""]

    def _split(self, line: str) -> list[str]:
        words, word, escaped = list[str](), "", False
        for char in line:
            if escaped:
                word, escaped = word + char, False
            elif char == "\\" and self._quote != "'":
                escaped = True
            elif self._quote:
                word, self._quote = (
                    (word, "") if char == self._quote else (word + char, self._quote)
                )
            elif char in "'\"":
                self._quote = char
            elif char.isspace():
                words, word = [*words, word] if word else words, ""
            else:
                word += char
        return [*words, word]

    def replacements(self, candidates: Iterable[str]) -> Iterator[str]:
        """Those that fit what was typed, as bash takes them."""
        typed = self.words[-1]
        start = (
            0 if self._quote else 1 + max((typed.rfind(one) for one in self._breaks), default=-1)
        )
        for one in candidates:
            if one.startswith(typed):
                yield self._quoted(one[start:])

    def _quoted(self, text: str) -> str:
        """The text as it has to be typed here."""
        if self._quote == "'":
            return text.replace("'", "'\\''")
        if self._quote:
            return "".join(f"\\{char}" if char in '"$`\\' else char for char in text)
        plain = (char.isalnum() or char in _PLAIN or not char.isascii() for char in text)
        return "".join(
            char if fine else f"\\{char}" for char, fine in zip(text, plain, strict=True)
        )
