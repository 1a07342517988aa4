"""An interactive agent CLI for the tests: it says where it is, then does what is typed, by line.

Like `scripted_agent` it stands alone. `tt …` runs `tt`, `exit N` ends it; Ctrl-C it survives.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import termios
from pathlib import Path


def main() -> None:
    """One session."""
    # Not by print, which may be at work when the signal comes, and cannot be entered twice.
    signal.signal(signal.SIGINT, lambda *_: os.write(1, b"still here\n"))
    told = [name for name in ("COLOUR", "API_TOKEN", "TINYTOWN_CREDENTIALS") if name in os.environ]
    print(f"session {sys.argv[1:]} in {Path.cwd()}", flush=True)
    print(f"terminal {[os.isatty(fd) for fd in range(3)]}, variables {told}", flush=True)
    modes = termios.tcgetattr(0)
    modes[3] &= ~termios.ECHO  # and never puts it back, as one that crashes
    termios.tcsetattr(0, termios.TCSANOW, modes)
    while True:
        word, *rest = shlex.split(sys.stdin.readline())
        if word == "exit":
            sys.exit(int(rest[0]))
        done = subprocess.run([word, *rest], capture_output=True, text=True, check=False)
        print(f"{word} said {done.stdout + done.stderr}", flush=True)


if __name__ == "__main__":
    main()
