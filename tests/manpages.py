"""Writes the manual pages, docs/man/*.1, from what `--help` says: `make man`.

One page a command, with what its help has; `tt.1` has the list, and the tables of exit codes and
environment variables of docs/commands.md. The wheel puts them into share/man/man1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from tinytown_cli import app

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "man"
_DAEMON = (
    "The daemon of Tinytown, in the foreground. It needs no arguments: what can be set is in the"
    " home's config.toml. Any command of tt that needs it starts it.\n\n"
    "SIGTERM stops it; rounds that run go on, and the next daemon finds them again."
)


def main() -> None:
    """Writes what has changed, and removes pages of commands that are gone."""
    wanted = pages()
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.iterdir():
        if file.name not in wanted:
            file.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="ascii")
    sys.stdout.write(f"{len(wanted)} pages in {FOLDER.relative_to(ROOT)}\n")


def pages() -> dict[str, str]:
    """Each page's file name and text."""
    found = {"tt.1": "".join(_root()), "tinytownd.1": "".join(_daemon())}
    for words, command in commands().items():
        found[f"{'-'.join(words)}.1"] = "".join(_page(words, command))
    return found


def commands() -> dict[tuple[str, ...], Any]:
    """Every command and group, by the words that are typed."""
    root: Any = typer.main.get_command(app.tinytown)
    found: dict[tuple[str, ...], Any] = {}
    for name in app.COMMANDS:
        command = root.get_command(None, name)
        found["tt", name] = command
        inner = getattr(command, "commands", {})
        found |= {("tt", name, word): one for word, one in inner.items()}
    return found


def _page(words: tuple[str, ...], command: Any) -> Iterator[str]:
    yield from _front("-".join(words), _first_line(command.help), _usage(words, command))
    yield from _section("DESCRIPTION")
    yield from _paragraphs(command.help)
    yield from _parameters("ARGUMENTS", "argument", command)
    yield from _parameters("OPTIONS", "option", command)
    if inner := getattr(command, "commands", None):
        yield from _section("COMMANDS")
        yield from _terms({name: _first_line(one.help) for name, one in inner.items()})
    if command.epilog:
        yield from _section("EXAMPLES")
        lines = command.epilog.split("Example:\n")[1].splitlines()
        yield from _literal([line.removeprefix("  ") for line in lines])
    parent = "-".join(words[:-1])
    yield from _section("SEE ALSO")
    yield f"{_bold(parent)}(1)" + ("" if parent == "tt" else f", {_bold('tt')}(1)") + "\n"


def _root() -> Iterator[str]:
    root: Any = typer.main.get_command(app.tinytown)
    yield from _front("tt", _first_line(root.help), "tt [OPTION]... COMMAND [ARGUMENT]...")
    yield from _section("DESCRIPTION")
    yield from _paragraphs(
        "tt is how people speak to a town, and how its agents do. The work is done by the daemon,"
        " tinytownd(1); if none runs, tt starts one.\n\n"
        "Each command has a page of its own: tt-task-show(1) is about tt task show."
    )
    yield from _section("COMMANDS")
    yield from _terms({name: entry.about for name, entry in app.COMMANDS.items()})
    yield from _parameters("OPTIONS", "option", root)
    for title, heading in (("EXIT STATUS", "Exit codes"), ("ENVIRONMENT", "Environment variables")):
        yield from _section(title)
        yield from _terms(_table(heading))
    yield from _section("SEE ALSO")
    yield f"{_bold('tinytownd')}(1)\n"


def _daemon() -> Iterator[str]:
    yield from _front("tinytownd", "the daemon of Tinytown", "tinytownd [--help] [--version]")
    yield from _section("DESCRIPTION")
    yield from _paragraphs(_DAEMON)
    yield from _section("ENVIRONMENT")
    told = _table("Environment variables")
    yield from _terms({name: told[name] for name in ("TINYTOWN_HOME", "TINYTOWN_REDIS_SERVER")})
    yield from _section("FILES")
    files = {
        "~/.tt/config.toml": "its settings: see tt-config(1)",
        "~/.tt/logs/tinytownd.jsonl": "its log: see tt-logs(1)",
    }
    yield from _terms(files)
    yield from _section("SEE ALSO")
    yield f"{_bold('tt')}(1), {_bold('tt-daemon')}(1)\n"


def _table(heading: str) -> dict[str, str]:
    """A table of two columns in docs/commands.md, without its marks and links."""
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    body = text.split(f"### {heading}\n")[1].split("\n#")[0]
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", body).replace("`", "")
    rows = [line[1:-1].split("|") for line in plain.splitlines() if line.startswith("|")]
    return {row[0].strip(): row[1].strip() for row in rows[2:]}


def _usage(words: tuple[str, ...], command: Any) -> str:
    parts = [*words, "[OPTION]..."]
    for one in command.params:
        if one.param_type_name == "argument":
            bare = one.required or one.metavar.startswith("[")
            parts.append(one.metavar if bare else f"[{one.metavar}]")
    if getattr(command, "commands", None):
        parts.append("COMMAND" if command.callback is None else "[COMMAND]")
    return " ".join(parts)


def _parameters(title: str, kind: str, command: Any) -> Iterator[str]:
    found = {}
    for one in command.params:
        if one.param_type_name == kind:
            value = f" {one.metavar}" if kind == "option" and one.metavar else ""
            name = f"{', '.join(one.opts)}{value}" if kind == "option" else one.metavar.strip("[].")
            found[name] = one.help or ""
    if kind == "option":
        found["--help"] = "Show this message and exit."
    if found:
        yield from _section(title)
        yield from _terms(found)


# The language of the pages: man(7)


def _front(name: str, about: str, usage: str) -> Iterator[str]:
    yield f'.TH {name.upper()} 1 "" Tinytown "Tinytown Manual"\n'
    yield f".SH NAME\n{name} \\- {_text(about.rstrip('.'))}\n"
    program, _, rest = usage.partition(" [")
    yield f".SH SYNOPSIS\n{_bold(program)} {_text('[' + rest)}\n"


def _section(title: str) -> Iterator[str]:
    yield f".SH {title}\n"


def _paragraphs(text: str) -> Iterator[str]:
    paragraphs = text.strip().split("\n\n")
    yield ".PP\n".join(f"{_text(' '.join(one.split()))}\n" for one in paragraphs)


def _terms(pairs: dict[str, str]) -> Iterator[str]:
    for term, about in pairs.items():
        yield f".TP\n{_bold(term)}\n{_text(about)}\n"


def _literal(lines: list[str]) -> Iterator[str]:
    yield ".nf\n" + "".join(f"{_text(line)}\n" for line in lines) + ".fi\n"


def _bold(text: str) -> str:
    return f"\\fB{_text(text)}\\fR"


def _text(text: str) -> str:
    """The text as it is: no character of it is a request or an escape, and all are ASCII."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    text = text.replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    text = "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in text)
    return f"\\&{text}" if text.startswith(".") else text


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0]


if __name__ == "__main__":
    main()
