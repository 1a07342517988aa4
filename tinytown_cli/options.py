"""What the person chose for this one command with the options that every command has."""

from __future__ import annotations


class Options:
    """`town` is the directory after `-t` (empty: look for it), `json` whether to print JSON."""

    def __init__(self) -> None:
        self.town = ""
        self.json = False


#: A process runs one command, so its options are the process's.
chosen = Options()
