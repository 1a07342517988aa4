"""`make bench-compare BASE=rev`: the same benchmarks on another revision and on this tree.

Row by row, one after the other on the same machine; the benchmarks are this tree's in both cases.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.rows import ROWS, run, scratch

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def tree(revision: str) -> Iterator[Path]:
    """A tree with the code of a revision, and with our benchmarks. Raises `CalledProcessError`."""
    with tempfile.TemporaryDirectory(prefix="bench-base-") as made:
        path = Path(made) / "tree"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(path), revision], check=True)
        try:
            shutil.rmtree(path / "tests")
            shutil.copytree(ROOT / "tests", path / "tests")
            yield path
        finally:
            subprocess.run([*git, "remove", "--force", str(path)], check=True)


def installed(path: Path) -> str:
    """The Python of a new environment with what that tree has, and with the libraries of ours."""
    home = path.parent / "environment"
    venv.create(home)
    python = str(home / "bin" / "python")
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    theirs = subprocess.run([python, "-c", ask], stdout=subprocess.PIPE, text=True, check=True)
    Path(theirs.stdout.strip(), "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", str(path)], check=True)
    return python


def figures(row: str, python: str, root: Path, *, short: bool) -> dict[str, Figure]:
    """A row's figures by name; none where that tree cannot be measured by it."""
    try:
        return {one.name: one for one in run(row, short=short, python=python, cwd=root)}
    except (subprocess.SubprocessError, IndexError, ValueError) as error:
        print(f"{row}: {error}", file=sys.stderr)
        return {}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.compare", description=__doc__)
    parser.add_argument("base", metavar="REVISION")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--short", action="store_true")
    told = parser.parse_args()
    print(f"| row | figure | {told.base} | here | change |\n| --- | --- | ---: | ---: | ---: |")
    with tree(told.base) as base, scratch():
        python = installed(base)
        for row in told.rows or ROWS:
            before = figures(row, python, base, short=told.short)
            for name, now in figures(row, sys.executable, ROOT, short=told.short).items():
                was = before.get(name)
                then = f"{was.ratio:.2f}" if was else "—"
                change = f"{now.ratio / was.ratio:.2f}×" if was else "—"
                print(f"| {row} | {name} | {then} | {now.ratio:.2f} | {change} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
