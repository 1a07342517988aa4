"""docs/runtimes.md tells the commands for a person's terminal as the catalogue has them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tinytownd.runtimes.catalogue import PRESETS

RUNTIMES = (Path(__file__).parents[2] / "docs" / "runtimes.md").read_text(encoding="utf-8")


def test_the_commands_for_a_terminal_are_those_of_the_catalogue() -> None:
    section = RUNTIMES.split("### In your terminal\n", 1)[1].split("\n#", 1)[0]
    told = {
        name: (tuple(shlex.split(command)), tuple(shlex.split(context)))
        for name, command, context in re.findall(
            r"^\| `(.+)` \| `(.+)` \| `(.+)` \|$", section, re.MULTILINE
        )
    }
    assert told == {
        name: (preset.interactive, preset.context)
        for name, preset in PRESETS.items()
        if preset.interactive
    }
