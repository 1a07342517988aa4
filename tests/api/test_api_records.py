"""The records are the protocol's shapes; what a later version adds is ignored."""

from __future__ import annotations

import dataclasses
import re
import typing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli import shapes
from tinytown_cli.api import Unavailable, records, reports

PROTOCOL = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
SHAPES: dict[str, type[records.Record]] = {
    "task": records.TaskInfo,
    "agent": records.AgentInfo,
    "message": records.Message,
    "round": records.Round,
    "event": records.Event,
    "plan": records.PlanInfo,
    "conductor": records.Conductor,
}


def documented(shape: str) -> set[str]:
    found = re.search(rf"^\| {shape} \| (.+) \|$", PROTOCOL, re.MULTILINE)
    assert found
    return {
        name for quoted in re.findall(r"`([^`]+)`", found[1]) for name in re.findall(r"\w+", quoted)
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_a_record_has_exactly_the_documented_fields(shape: str) -> None:
    fields = {field.name for field in dataclasses.fields(SHAPES[shape])}  # type: ignore[arg-type]
    renamed = {"from"} if shape == "message" else set()
    assert fields - {"sender"} == documented(shape) - renamed


def test_a_report_has_exactly_the_documented_fields() -> None:
    shapes_of = (reports.Report, reports.Finished, reports.Cost, reports.Spent, reports.Need)
    found = re.search(r"^\| `town.report` \|[^|]*\| (.+) \|$", PROTOCOL, re.MULTILINE)
    assert found
    quoted = re.findall(r"`([^`]+)`", found[1])
    names = {name for text in quoted for name in re.findall(r"\w+", text)} - {"finished"}
    assert {one.name for shape in shapes_of for one in dataclasses.fields(shape)} == names


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (records.TaskState, "`state` of a task: `(.+?)`"),
        (records.AgentState, "of an agent: `(.+?)`"),
        (records.MessageState, "of a message: `(.+?)`"),
        (records.PlanState, "of a plan: `(.+?)`"),
        (records.MessageKind, "`kind` of a message: `(.+?)`"),
        (records.Priority, "`priority` is `(.+?)`[^`]"),
    ],
)
def test_words_are_those_of_the_protocol(kind: Any, told: str) -> None:
    found = re.search(told, " ".join(PROTOCOL.split()).replace("` or `", ", "))
    assert found
    assert found[1].split(", ") == list(typing.get_args(kind))


def test_times_lists_and_objects_are_read() -> None:
    told = shapes.task(tags=["a"], started_at=shapes.NOW, something_new={"x": 1})
    task = records.read(records.TaskInfo, told)
    assert task.created_at == datetime(2026, 11, 22, 10, 31, 0, 123000, UTC)
    assert (task.tags, task.finished_at, task.finished) == (("a",), None, False)
    held = shapes.agent(hold={"until": shapes.NOW, "reason": "limit"})
    agent = records.read(records.AgentInfo, held)
    assert agent.hold == records.Hold(task.created_at, "limit")
    status = records.read(records.PlanStatus, shapes.conducting("failed", [told]))
    assert (status.state, status.tasks) == ("failed", (task,))
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.state = "failed"  # type: ignore[misc]


def test_a_field_that_is_missing_is_told_in_one_line() -> None:
    told = shapes.message()
    del told["sent_at"]
    with pytest.raises(Unavailable, match="another version: its Message has no 'sent_at'"):
        records.read(records.Message, told)
