"""The daemon with a wall clock that a test can set: the file that is its argument has the offset.

Only what the daemon calls the time is shifted, in milliseconds; nothing else differs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tinytownd import clock, daemon, root, wire

OFFSET = Path(sys.argv.pop())
real_now = wire.now_ms


def shifted() -> int:
    """Milliseconds since the epoch, as the test has it."""
    return real_now() + int(OFFSET.read_text())


wire.now_ms = shifted
vars(root)["LOOK_SECONDS"] = clock.LOOK_SECONDS / 50  # the test does not wait for it as long
daemon.main()
