"""`tt doctor`."""

from __future__ import annotations

import typer

from tinytown_cli import checkup
from tinytown_cli.command import verb


@verb("doctor", example="tt doctor")
def doctor() -> None:
    """Say what is missing on this machine, and how to get it."""
    raise typer.Exit(checkup.run())
