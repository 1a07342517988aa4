"""What `docs/reliability.md` names is there: test files, targets of make, settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tinytownd.settings import KEYS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
QUOTED = sorted(set(re.findall(r"`([^`\n]+)`", PAGE)))


@pytest.mark.parametrize("file", [word for word in QUOTED if word.endswith(".py")])
def test_a_test_that_shows_something_exists(file: str) -> None:
    assert "def test_" in (ROOT / "tests" / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("target", [w.split()[1] for w in QUOTED if w.startswith("make ")])
def test_a_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("key", [w for w in QUOTED if re.match(r"(limits|redis|town)\.", w)])
def test_a_setting_exists(key: str) -> None:
    assert key.split(" ", maxsplit=1)[0] in KEYS
