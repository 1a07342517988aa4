"""`tt`: the table of commands, and the way in and out of one.

Only the module of the command that was typed is imported: start-up is most of what `tt` costs.
"""

from __future__ import annotations

import difflib
import importlib
from typing import Annotated, Any, NamedTuple

import typer
import typer.main
from typer.exceptions import TyperException

from tinytown_cli import output
from tinytown_cli.command import VERBS, Group, application
from tinytown_cli.options import INTERRUPTED, Options, chosen
from tinytownd.domain.errors import BAD_INPUT, OK, BadInput, TownError


class Entry(NamedTuple):
    """Where a command lives, and the first line of its help."""

    module: str
    about: str


COMMANDS = {
    "init": Entry("towns", "Make this directory a town."),
    "spawn": Entry("agents", "Add an agent to the team."),
    "list": Entry("agents", "Show the team."),
    "status": Entry("towns", "Show the town: who works on what, what waits, what is done."),
    "assign": Entry("tasks", "Give an agent a task, or any agent of a role."),
    "task": Entry("tasks", "Look at tasks and change them."),
    "approve": Entry("people", "Let a task start, or accept its result."),
    "reject": Entry("people", "Do not let a task start, or send its result back."),
    "ask": Entry("people", "Ask a person something, as an agent; the task waits for the answer."),
    "answer": Entry("people", "Answer a question: tt inbox conductor shows those that wait."),
    "send": Entry("messages", "Send an agent a message."),
    "inbox": Entry("messages", "Show the messages that wait, without consuming them."),
    "thread": Entry("messages", "Show a conversation, message by message."),
    "backlog": Entry("backlog", "Work that nobody owns yet."),
    "plan": Entry("plans", "Show a plan file in waves; look after the town's plans."),
    "sync": Entry("sync", "Bring the plan file and the town together."),
    "conductor": Entry("conductor", "Hand the plan to the conductor and follow it."),
    "wait": Entry("towns", "Wait until agents are idle or a task is finished."),
    "kill": Entry("agents", "End an agent now."),
    "close": Entry("agents", "Let an agent finish its round, then end it."),
    "interrupt": Entry("agents", "Pause an agent; it keeps its session."),
    "resume": Entry("agents", "Let a paused or held agent go on."),
    "attach": Entry("attach", "Work in an agent's session, in this terminal."),
    "restart": Entry("agents", "Bring an agent back with a fresh session."),
    "recover": Entry("recovery", "Mend what can be mended, and say what was found."),
    "reclaim": Entry("recovery", "Take open tasks from agents that will not do them."),
    "prune": Entry("recovery", "Remove agents that have stopped."),
    "reset": Entry("recovery", "Empty the town: agents, tasks, messages and rounds go."),
    "stop": Entry("towns", "Close all agents of the town."),
    "start": Entry("towns", "Bring the town's agents back."),
    "report": Entry(
        "report", "Show what was done, what failed and why, what it cost, and what needs you."
    ),
    "history": Entry("towns", "Show who did what."),
    "events": Entry("logs", "Print the raw event stream."),
    "logs": Entry("logs", "Show the daemon's log, or what an agent said and did."),
    "save": Entry("backup", "Write the whole town into one file, while it works."),
    "restore": Entry("backup", "Bring a saved town into this one, which must be empty."),
    "migrate": Entry("backup", "Bring over a town of the Rust tinytown."),
    "towns": Entry("towns", "Show the towns of this home."),
    "config": Entry("config", "Show settings with their origin, or change one."),
    "daemon": Entry("daemon", "Look at the daemon, stop it, restart it."),
    "service": Entry("service", "Have the machine's service manager run the daemon."),
    "completion": Entry("completion", "Print what makes a shell complete commands, names and ids."),
    "doctor": Entry("doctor", "Say what is missing on this machine, and how to get it."),
}

EXIT_CODES = (
    "Exit codes: 0 done, 1 the work failed, 2 bad input, 3 no daemon or no Redis, 4 timed out."
)


class Root(Group):
    """The commands, each of them imported when it is typed."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  # the framework's signature
        """The names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  # as above
        """The command of that name. Raises `BadInput`."""
        if cmd_name not in COMMANDS:
            from tinytown_cli.elsewhere import GONE  # noqa: PLC0415  # for a mistake only

            if cmd_name in GONE:
                raise BadInput(f"tinytown has no '{cmd_name}': {GONE[cmd_name]}")
            near = difflib.get_close_matches(cmd_name, COMMANDS, 1)
            hint = f"did you mean {near[0]}?" if near else "tt --help"
            raise BadInput(f"there is no command '{cmd_name}'", hint=hint)
        importlib.import_module(f"tinytown_cli.{COMMANDS[cmd_name].module}")
        return typer.main.get_command(VERBS[cmd_name])

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  # as above
        """The list in the help, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.about) for name, entry in COMMANDS.items()])


tinytown = application(
    name="tt",
    cls=Root,
    about=f"A town of AI coding agents in one repository.\n\n{EXIT_CODES}",
    example='tt init\ntt spawn developer --cli claude\ntt assign developer "Build the login page"',
)


def _version(value: bool) -> None:
    if value:
        from tinytown_cli import versions  # noqa: PLC0415  # only for this option

        versions.show()
        raise typer.Exit(OK)


@tinytown.callback(invoke_without_command=True)
def _tt(
    ctx: typer.Context,
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, help="Print the versions."),
    ] = False,
) -> None:
    if ctx.invoked_subcommand is None:
        from tinytown_cli import welcome  # noqa: PLC0415  # only for tt alone

        welcome.run()


def run(arguments: list[str], sent: dict[str, str] | None = None) -> int:
    """One command; returns its exit code. Errors have been told on standard error.

    `sent` are the ids of commands that the front door has sent for it; see `Options`.
    """
    vars(chosen).update(vars(Options()))
    chosen.sent.update(sent or {})
    try:
        code = typer.main.get_command(tinytown).main(
            arguments, prog_name="tt", standalone_mode=False
        )
        output.flush()
    except TownError as error:
        from tinytown_cli import versions  # noqa: PLC0415  # only for what was refused

        output.town_error(versions.hinted(error))
        return error.exit_code
    except TyperException as error:
        from tinytown_cli import usage  # noqa: PLC0415  # only for a command line that is wrong

        output.error(*usage.said(error))
        return error.exit_code
    except OSError as error:
        output.unusable(error)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    return code if isinstance(code, int) else OK
