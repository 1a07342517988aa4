"""What a page shows that can be run: its fenced blocks and its `$ tt …` lines, as one script.

A page is run from top to bottom by one shell, in one directory, as a reader would. Two comments in
the Markdown, which no reader sees, steer that: `<!-- not run: WHY -->` before a block that cannot
be run here, and `<!-- file: NAME -->` before one that is the content of a file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)$")
_NOTE = re.compile(r"^<!-- (not run|file): (.*) -->$")
_SHELL = ("bash", "sh")
#: Before each example's output, and after it.
MARK = "=-=-= example"


@dataclass(frozen=True)
class Block:
    """A piece of a page: shell, python, a file's content, or commands with what they print."""

    line: int
    kind: str  # shell, python, file, examples
    text: str
    name: str = ""  # of the file
    why_not: str = ""  # it is not run

    @property
    def examples(self) -> list[tuple[str, list[str]]]:
        """Each command, and the lines below it."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines() if self.kind == "examples" else ():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.strip():
                found[-1][1].append(line)
        return found

    @property
    def commands(self) -> list[list[str]]:
        """The words of each `tt` command in it; those behind pipes and in loops are left out."""
        text = self.text.replace("\\\n", " ")
        lines = [re.sub(r"^\$ ", "", line.strip()) for line in text.splitlines()]
        spoken = [line for line in lines if line.startswith("tt ") and "$(" not in line]
        first = (re.split(r" (?:&&|\|\|?|>|2>|&)(?: |$)", line)[0] for line in spoken)
        return [shlex.split(line, comments=True) for line in first]


def blocks(text: str) -> list[Block]:
    """What can be run of a page, in its order."""
    found = []
    for line, kind, body, before in _pieces(text.splitlines()):
        note = _NOTE.match(before)
        what, said = note.groups() if note else ("", "")
        why_not = said if what == "not run" else ""
        if what == "file":
            found.append(Block(line, "file", body, name=said))
        elif kind in (*_SHELL, "python"):
            found.append(Block(line, "shell" if kind in _SHELL else kind, body, why_not=why_not))
        elif kind == "indented" and body.startswith("$ "):
            found.append(Block(line, "examples", body, why_not=why_not))
    return found


def _pieces(lines: list[str]) -> Iterator[tuple[int, str, str, str]]:
    """Fenced and indented pieces: line, kind, text, and the line of text before."""
    at, before = 0, ""
    while at < len(lines):
        start, fence = at, _FENCE.match(lines[at])
        if fence:
            at = lines.index("```", at + 1)
            yield start + 1, fence[1], "\n".join(lines[start + 1 : at]) + "\n", before
        elif lines[at].startswith("    ") and not before.startswith(("- ", "  ")):
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at]):
                at += 1
            text = "\n".join(line[4:] for line in lines[start:at]).rstrip() + "\n"
            yield start + 1, "indented", text, before
            continue
        if lines[at]:
            before = lines[at]
        at += 1


def script(found: list[Block]) -> str:
    """All of a page as one shell script, which stops at the first failure."""
    said = ["set -eo pipefail"]
    for block in found:
        if not block.why_not:
            said += _steps(block)
    return "\n".join(said) + "\n"


def _steps(block: Block) -> Iterator[str]:
    yield f"echo '=== line {block.line}' >&2"
    if block.kind == "shell":
        yield block.text
    elif block.kind == "python":
        yield f"cat >example.py <<'END OF FILE'\n{block.text}END OF FILE\npython example.py"
    elif block.kind == "file":
        folder = shlex.quote(str(Path(block.name).parent))
        name = shlex.quote(block.name)
        yield f"mkdir -p {folder}\ncat >{name} <<'END OF FILE'\n{block.text}END OF FILE"
    else:
        for command, shown in block.examples:
            # What is shown to fail may; what shows nothing must not, and what follows has no end.
            follows = re.search(r" (-f|--follow|--watch)\b", command)
            limit, after = ("timeout 1 ", " || test $? = 124") if follows else ("", "")
            may_fail = " || true" if shown else after
            yield f"echo '{MARK}'\n{{ {limit}{command}\n}} 2>&1{may_fail}\necho '{MARK}'"


#: What differs from run to run, and from machine to machine.
_VARIES = (
    (r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?", "DATE"),
    (r"\b[\d.,]+ (ms|s|m|min|h|d)\b( ago)?", "TIME"),
    (r"(?<![\w.])~?(/[\w.+-]+){2,}", "PATH"),
    (r"\.\./[\w.]+", "PATH"),
    (r"\b\d+\.\d+\.\d+\b", "VERSION"),
    (r"\bpid \d+", "pid N"),
    (r"\b[\d,]+ (agent|task|message|round|event|byte|token)s?\b", r"N \1"),
    (r"^(towns|rounds)\s+\d+", r"\1 N"),
    (r"\s+", " "),
)


def plain(line: str) -> str:
    """A line without what may differ."""
    for pattern, stands_for in _VARIES:
        line = re.sub(pattern, stands_for, line)
    return line.strip()


def missing(shown: list[str], printed: list[str]) -> str:
    """The first line that a page shows and the program did not print, in this order; or nothing."""
    rest = iter([plain(line) for line in printed])
    return next((line for line in shown if not any(plain(line) == one for one in rest)), "")
