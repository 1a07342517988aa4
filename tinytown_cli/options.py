"""What the person chose for this one command with the options that every command has."""

from __future__ import annotations

#: Seconds until a command is given up; an agent's outlasts a daemon that restarts.
PATIENCE, AGENT_PATIENCE = 30.0, 60.0

#: The exit code of what was interrupted: 128 + SIGINT, as shells have it.
INTERRUPTED = 130


class Options:
    """`town` is the directory after `-t` (empty: look for it), `json` whether to print JSON.

    `sent` are the ids of commands that the front door has sent already, by their verbs: whoever
    sends one of those takes its id, so that it happens once.
    """

    def __init__(self) -> None:
        self.town = ""
        self.json = False
        self.sent: dict[str, str] = {}


#: A process runs one command, so its options are the process's.
chosen = Options()
