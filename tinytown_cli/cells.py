"""How wide texts are on a terminal, where they can be cut, and how they are kept in their cell.

Only for texts that are not ASCII: `output` imports this when it meets one.

The widths are those of Unicode (UAX #11, UTS #51), which recent terminals follow: two columns for
wide characters and for emoji, however many code points one is made of, none for what joins the
character before. Older terminals differ for emoji that are joined; no program can know.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_JOINER, _EMOJI_STYLE, _SOFT_HYPHEN = "\u200d", "\ufe0f", "\u00ad"
# First Strong Isolate and Pop Directional Isolate (UAX #9): what is between them is ordered by
# itself, and moves nothing around it.
_ISOLATE, _POP = "\u2068", "\u2069"
#: The bidirectional classes of what is written from right to left, and its marks.
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI"})
_KEYCAPS = "0123456789#*"
_REGIONAL = range(0x1F1E6, 0x1F200)
_SKIN_TONES = range(0x1F3FB, 0x1F400)
# Hangul vowels and finals: they are drawn into the syllable before them.
_JAMO = (range(0x1160, 0x1200), range(0xD7B0, 0xD800))
# What has been looked up: a page is long, its alphabet is not.
_WIDTHS: dict[str, int] = {}


def clusters(text: str) -> Iterator[tuple[str, int]]:
    """What is drawn as one, piece by piece, each with its width in columns: 0, 1 or 2."""
    piece, width = "", 0
    for char in text:
        if piece and _joins(piece, char):
            piece += char
            # An emoji that is text by itself, as ☀ and the keycaps' digits are, becomes a wide one.
            if char == _EMOJI_STYLE and (piece[0] > "\x7f" or piece[0] in _KEYCAPS):
                width = 2
            continue
        if piece:
            yield piece, width
        piece, width = char, _width(char)
        if ord(char) in _REGIONAL:
            width = 2  # half a flag is drawn as a letter in a box
    if piece:
        yield piece, width


def _joins(piece: str, char: str) -> bool:
    """Whether a character is drawn as a part of what stands before it."""
    if _width(char) == 0:
        return True
    if ord(char) in _SKIN_TONES:
        return unicodedata.category(piece[0]) == "So"
    if ord(char) in _REGIONAL:
        return len(piece) == 1 and ord(piece) in _REGIONAL
    return piece[-1] == _JOINER and unicodedata.category(char) == "So"


def _width(char: str) -> int:
    known = _WIDTHS.get(char)
    if known is None:
        known = _WIDTHS[char] = _looked_up(char)
    return known


def _looked_up(char: str) -> int:
    if char == _SOFT_HYPHEN:
        return 1
    if unicodedata.category(char) in ("Mn", "Me", "Cf", "Zl", "Zp"):
        return 0
    if any(ord(char) in one for one in _JAMO):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if all(map(_stands_alone, set(text))):
        return sum(map(_WIDTHS.__getitem__, text))
    return sum(width for _, width in clusters(text))


def _stands_alone(char: str) -> bool:
    """Whether a character never joins another: then a text is as wide as its characters."""
    return _width(char) > 0 and ord(char) not in _REGIONAL and ord(char) not in _SKIN_TONES


def fit(text: str, width: int) -> str:
    """The text cut to so many columns: never within what is drawn as one."""
    if columns(text) <= width:
        return text
    kept, taken, short = 0, 0, 0
    for piece, wide in clusters(text):
        taken += wide
        if taken > width:
            break
        kept += len(piece)
        if taken < width:
            short = kept
    return text[:short] + "…" if width > 0 else ""


def isolated(text: str) -> str:
    """The text so that its right-to-left parts do not reorder what stands beside it."""
    if any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in text):
        return f"{_ISOLATE}{text}{_POP}"
    return text
