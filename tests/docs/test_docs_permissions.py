"""docs/runtimes.md says how each CLI is held to its permissions as the catalogue has it."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.docs.pages import names, rows, sections
from tests.docs.test_docs import RUNTIMES
from tinytownd.domain.names import PERMISSIONS
from tinytownd.runtimes.catalogue import PRESETS, Runtime

SECTION = sections(RUNTIMES, 2)["What an agent may do"]
MODES, FLAGS, WORTH = re.findall(r"(?:^\|.*\|\n)+", SECTION, flags=re.MULTILINE)
TOLD = {row[0].strip("`"): row[1:] for row in rows(FLAGS)}


def test_every_mode_is_told() -> None:
    assert sorted(names(MODES)) == sorted(PERMISSIONS)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: str(preset.name))
def test_the_flags_of_each_mode_are_those_of_the_catalogue(preset: Runtime) -> None:
    for mode, cell in zip(["bypass", "edit", "read"], TOLD[preset.name], strict=True):
        if cell == "as codex":
            assert preset.permissions == PRESETS["codex"].permissions
        elif cell == "refused":
            assert mode not in preset.permissions
        else:
            told = "" if cell == "as it is" else cell.strip("`")
            assert tuple(shlex.split(told)) == preset.allowing(mode)


def test_every_cli_is_told_what_its_modes_are_worth() -> None:
    told = [name for row in rows(WORTH) for name in re.findall(r"`([^`]+)`", row[0])]
    assert sorted(told) == sorted(TOLD) == sorted(PRESETS)
