from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.runtimes.rounds import Rounds


@pytest.fixture
async def rounds(tmp_path: Path) -> AsyncIterator[Rounds]:
    rounds = Rounds(tmp_path)
    yield rounds
    for process in rounds.started:
        await process.stop(0)
