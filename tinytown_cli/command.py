"""What all commands have in common: how one is declared, `-t` and `--json`, an example in its help.

A module declares its commands with `@verb(...)`; `tinytown_cli.app` imports the module only when
one of them was typed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from tinytown_cli import output
from tinytown_cli.options import chosen
from tinytownd.domain.errors import BadInput
from tinytownd.wire import MAX_TEXT_BYTES

Function = TypeVar("Function", bound=Callable[..., object])

#: The commands of the modules imported so far, by the word that is typed.
VERBS: dict[str, typer.Typer] = {}

# Plain help and plain errors: rich alone would cost as much as the whole command.
_PLAIN: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}

AgentName = Annotated[str, typer.Argument(metavar="AGENT", help="The agent's name.")]
OwnerName = Annotated[
    str, typer.Argument(metavar="AGENT", help="An agent's name, or role:R: any agent of a role.")
]
TaskRef = Annotated[
    str, typer.Argument(metavar="TASK", help="The task's id, or its first characters.")
]
Priority = Annotated[
    Literal["low", "normal", "high", "urgent"] | None,
    typer.Option(metavar="P", help="low, normal, high or urgent."),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="T", help="A tag; repeatable.")]
After = Annotated[
    list[str] | None,
    typer.Option(metavar="TASK", help="Start when this task is completed; repeatable."),
]
Join = Annotated[
    str | None,
    typer.Option(metavar="N", help="How many of those are enough: all, any, or a number."),
]
OfPlan = Annotated[
    str | None, typer.Option("--plan", metavar="NAME", help="Count it to this plan.")
]
Approve = Annotated[bool, typer.Option("--approve", help="Start only when a person has approved.")]
Check = Annotated[
    str | None, typer.Option(metavar="CMD", help="A command that must pass before it is done.")
]
Review = Annotated[
    str | None, typer.Option(metavar="A", help="Who reviews the result: an agent, or role:ROLE.")
]
Limit = Annotated[
    int | None, typer.Option(metavar="N", min=1, max=1_000, help="At most N (default: 200).")
]
Everything = Annotated[bool, typer.Option("--all", help="All of them, however many.")]
Failures = Annotated[
    Literal["hold", "count"] | None,
    typer.Option(metavar="F", help="Whether those that failed hold it, or count: hold, count."),
]


def _shared_options() -> list[TyperOption]:
    def town(_: object, __: object, value: str | None) -> None:
        chosen.town = value or chosen.town

    def as_json(_: object, __: object, value: bool) -> None:
        chosen.json = value or chosen.json

    return [
        TyperOption(
            param_decls=["town", "-t", "--town"],
            metavar="PATH",
            help="The town's directory (default: the nearest one upward, or TINYTOWN_TOWN).",
            expose_value=False,
            callback=town,
        ),
        TyperOption(
            param_decls=["json", "--json"],
            is_flag=True,
            default=False,
            help="Print JSON.",
            expose_value=False,
            is_eager=True,  # what another option prints, it prints so
            callback=as_json,
        ),
    ]


_NEGATIVE = re.compile(r"-\d[\d.]*")


class Command(TyperCommand):
    """A command with the options that every command has."""

    def __init__(self, *args: Any, **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.params.extend(_shared_options())

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """A negative number is a value, which its command refuses: no option is called so."""
        ctx.ignore_unknown_options = any(_NEGATIVE.fullmatch(word) for word in args)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The arguments without the braces that the framework puts around required ones."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


class Group(TyperGroup):
    """A group of commands; typed alone it prints its help."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        self.params.extend(_shared_options())

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Takes the options before the command's name."""
        if not args and not self.invoke_without_command:
            output.write(ctx.get_help())
            raise typer.Exit(0)
        return super().parse_args(ctx, args)


def _example(text: str) -> str:
    # \b keeps click from wrapping what follows.
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in text.splitlines())


def application(*, name: str, cls: type[TyperGroup], about: str, example: str = "") -> typer.Typer:
    """A Typer application with our way of printing."""
    return typer.Typer(
        name=name, cls=cls, help=about, epilog=_example(example) if example else None, **_PLAIN
    )


def group(name: str, about: str, example: str, cls: type[TyperGroup] = Group) -> typer.Typer:
    """Declares a group of commands: `tt NAME …`."""
    VERBS[name] = application(name=name, cls=cls, about=about, example=example)
    return VERBS[name]


def verb(name: str, example: str, of: typer.Typer | None = None) -> Callable[[Function], Function]:
    """Declares a command, `tt NAME`, or one of the group `of`."""

    def declare(function: Function) -> Function:
        application = typer.Typer(**_PLAIN) if of is None else of
        application.command(name, cls=Command, epilog=_example(example))(function)
        if of is None:
            VERBS[name] = application
        return function

    return declare


def text(value: str, what: str = "text") -> str:
    """A text that was given as an argument; `-` stands for standard input. Raises `BadInput`."""
    if value == "-":
        return _checked(sys.stdin.buffer.read(MAX_TEXT_BYTES + 2), what).rstrip("\n")
    return _checked(value.encode("utf-8", "surrogateescape"), what)


def optional_text(value: str | None, what: str = "text") -> str | None:
    """The same for an option that may be missing."""
    return None if value is None else text(value, what)


def text_or_file(value: str | None, what: str) -> str | None:
    """A text, or the content of the file after an `@`. Raises `BadInput`."""
    if value is None or not value.startswith("@"):
        return optional_text(value, what)
    path = Path(value[1:]).expanduser()
    try:
        return _checked(path.read_bytes(), what)
    except OSError as error:
        hint = "after @ comes the name of a file"
        raise BadInput(f"{path} cannot be read: {error.strerror}", hint=hint) from None


def _checked(raw: bytes, what: str) -> str:
    if len(raw) > MAX_TEXT_BYTES:
        raise BadInput(f"the {what} is longer than 1 MiB", hint="name a file in it instead")
    if b"\0" in raw:
        raise BadInput(f"the {what} has a NUL character in it", hint="texts are plain UTF-8")
    try:
        decoded = raw.decode()
    except UnicodeDecodeError:
        raise BadInput(f"the {what} is not UTF-8", hint="texts are plain UTF-8") from None
    if not decoded.strip():
        raise BadInput(f"the {what} is empty", hint="say what it is about")
    return decoded
