"""What no linter checks: sizes, and that the inner rooms import nothing heavy.

Run by `make check-code`; prints each offender and exits 1 if there is one. The style asks for
functions of about 30 lines and files of about 300; the bounds here are twice and a third above.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUNCTION_LINES, FILE_LINES = 60, 400


def too_long(tree: ast.Module, source: str) -> Iterator[tuple[int, str]]:
    """(line, what is wrong) for each function beyond its bound, and for the file."""
    if (lines := len(source.splitlines())) > FILE_LINES:
        yield 1, f"the file has {lines} lines, {FILE_LINES} at most"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield node.lineno, f"{node.name} has {lines} lines, {FUNCTION_LINES} at most"


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, top-level package) of every absolute import, wherever in the file it is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, (node.module or "").partition(".")[0]


def beyond_the_library(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, what is wrong) for each import that is neither ours nor the standard library's."""
    allowed = sys.stdlib_module_names | {"tinytownd"}
    for line, package in imported(tree):
        if package not in allowed:
            yield line, f"imports {package}; only the standard library is allowed here"


def problems(path: Path, name: str) -> Iterator[tuple[int, str]]:
    """(line, what is wrong) in one file; `name` is its path from the root, with slashes."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source, name)
    yield from too_long(tree, source)
    # The client pays for every import of these, and the domain is pure.
    if name.startswith("tinytownd/domain/") or name == "tinytownd/wire.py":
        yield from beyond_the_library(tree)
    if name == "tinytownd/__init__.py":
        yield from ((line, f"imports {package}") for line, package in imported(tree))


def main() -> int:
    """Check every file of the packages and the tests; 1 if anything is wrong."""
    found = 0
    for folder in ("tinytownd", "tinytown_cli", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            for line, problem in problems(path, name):
                print(f"{name}:{line}: {problem}")
                found += 1
    print(f"{found} problems" if found else "Sizes and imports are in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
