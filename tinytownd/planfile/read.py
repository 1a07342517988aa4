"""A plan file's text, read into a plan.

`tomllib` does the parsing, ten times as fast as tomlkit on 10,000 tasks; the line of each problem
is looked up in the text.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tinytownd import wire
from tinytownd.domain.errors import PlanError
from tinytownd.domain.plan import Plan, PlanTask, Problem, find_problems
from tinytownd.planfile.keys import META_KEYS, TASK_KEYS, TOP_KEYS, check, unknown
from tinytownd.planfile.layout import Layout, Table, lay_out

#: More problems than this are counted, not told.
MAX_PROBLEMS = 100
_MARK = "\ufeff"  # what some editors put at the start of a UTF-8 file


def parse(text: str) -> Plan:
    """Read a plan file. Raises `PlanError` with everything that is wrong with it."""
    plan, _ = read(text)
    return plan


def read(text: str, *, may_be_empty: bool = False) -> tuple[Plan, Layout]:
    """The plan, and where its tasks stand in the text. Raises `PlanError`."""
    data = _load(text)
    layout = lay_out(text, "tasks")
    tables = data.get("tasks", [])
    if not isinstance(tables, list) or len(tables) != len(layout.tables):
        hint = "write [[tasks]] before each task, and its keys below, one on a line"
        problem = Problem(layout.lines["tasks",], "tasks must be [[tasks]] tables", hint)
        raise _error([problem])
    meta, problems = _read_meta(data, layout)
    tasks = []
    for table, place in zip(tables, layout.tables, strict=True):
        task, found = _read_task(table, place)
        tasks.append(task)
        problems += found
    about = (meta.get("description", ""), meta.get("default_agent"), tuple(tasks))
    plan = Plan(*about, default_check=meta.get("check"), default_review=meta.get("review"))
    problems += _semantic_problems(plan, layout)
    if not problems and not tasks and not may_be_empty:
        problems = [Problem(1, "the plan has no tasks", "add one: [[tasks]], id, description")]
    if problems:
        raise _error(problems)
    return plan, layout


def _load(text: str) -> dict[str, Any]:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise _error([Problem(line, "not UTF-8", "save the file as UTF-8")]) from None
    if size > wire.MAX_PLAN_BYTES:
        limit = wire.MAX_PLAN_BYTES // (1024 * 1024)
        message = f"the file has {size:,} bytes, more than {limit} MiB"
        raise _error([Problem(1, message, "split the plan")])
    try:
        return tomllib.loads(text.removeprefix(_MARK))
    except RecursionError:
        problem = Problem(1, "lists or tables are nested too deeply", "a plan needs one level")
    except ValueError as error:  # TOMLDecodeError, and plain ones for numbers that are too long
        problem = _toml_problem(str(error), text)
    raise _error([problem])


def _toml_problem(said: str, text: str) -> Problem:
    """A problem from the parser's words, which end in `(at line 3, column 5)` as a rule."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", said)
    what, line, column = found.groups() if found else (said, "1", None)
    number = int(line) if line else len(text.rstrip().split("\n"))
    where = f", column {column}" if column else ""
    hint = 'every line is key = value; texts stand in "quotes"'
    if what.startswith("Cannot overwrite"):
        hint = "a key may be given once in a task; a new task starts with [[tasks]]"
    return Problem(number, f"not valid TOML: {what[:1].lower()}{what[1:]}{where}", hint)


def _read_meta(data: Mapping[str, Any], layout: Layout) -> tuple[dict[str, str], list[Problem]]:
    problems = [
        replace(unknown(key, TOP_KEYS), line=layout.lines[key,])
        for key in data
        if key not in TOP_KEYS
    ]
    meta = data.get("meta", {})
    if not isinstance(meta, dict):
        hint = "write [meta] on a line, and its keys below"
        return {}, [*problems, Problem(layout.lines["meta",], "meta must be a table", hint)]
    good = {}
    for key, value in meta.items():
        line = layout.lines.get(("meta", key), layout.lines["meta",])
        problem = check(key, value, META_KEYS)
        if problem:
            problems.append(replace(problem, line=line, message=f"meta: {problem.message}"))
        else:
            good[key] = value
    return good, problems


def _read_task(table: Mapping[str, Any], place: Table) -> tuple[PlanTask, list[Problem]]:
    """A task, with the defaults for what is wrong: so the rest of it can be judged, too."""
    id_ = table.get("id")
    named = isinstance(id_, str) and not check("id", id_, TASK_KEYS)
    name = f"task '{id_}'" if named else "a task"
    problems = [
        Problem(place.header.line, f"{name} has no {key}", f'add {key} = "…"', key)
        for key in ("id", "description")
        if key not in table
    ]
    values: dict[str, Any] = {"id": "", "description": ""}
    for key, value in table.items():
        problem = check(key, value, TASK_KEYS)
        if problem:
            message = f"{name}: {problem.message}"
            problems.append(replace(problem, line=place.line(key), message=message))
        if not problem or (key == "id" and isinstance(value, str)):
            values[key] = tuple(value) if isinstance(value, list) else value
    values["join"] = str(values.get("join", "all"))
    values["result"] = values.get("result") or None
    return PlanTask(**values, line=place.header.line), problems


def _semantic_problems(plan: Plan, layout: Layout) -> list[Problem]:
    """What is wrong between the tasks, at the lines of the keys; tasks without an id apart."""
    places = {table.header.line: table for table in layout.tables}
    named = replace(plan, tasks=tuple(task for task in plan.tasks if task.id))
    return [
        replace(problem, line=places[problem.line].line(problem.key))
        for problem in find_problems(named)
    ]


def _error(problems: list[Problem]) -> PlanError:
    count = len(problems)
    told = sorted(problems, key=lambda problem: problem.line)[:MAX_PROBLEMS]
    if count > MAX_PROBLEMS:
        told.append(Problem(told[-1].line, f"and {count - MAX_PROBLEMS} more problems"))
    return PlanError([problem.to_json() for problem in told], count)
