"""Tinytown in Python: `async with Town.connect(".") as town`. docs/python-api.md shows how.

Runs in asyncio and in trio, by anyio.
"""

from tinytown_cli.api.agents import Agent, AgentOptions
from tinytown_cli.api.errors import Closed, TaskCancelled, TaskError, TaskFailed, TaskHeld
from tinytown_cli.api.following import Events, Mail
from tinytown_cli.api.goals import Goal
from tinytown_cli.api.plans import Backlog, Plan, PlanCheck, Planned, PlanWarning
from tinytown_cli.api.records import (
    AgentInfo,
    Conductor,
    Event,
    Message,
    PlanInfo,
    PlanStatus,
    Pushed,
    Round,
    Status,
    TaskInfo,
)
from tinytown_cli.api.reports import Cost, Count, Finished, Need, Report, Spent
from tinytown_cli.api.tasks import Task, TaskOptions
from tinytown_cli.api.town import Town
from tinytown_cli.api.upkeep import (
    Archived,
    Finding,
    Kept,
    Pruned,
    Reclaimed,
    Removed,
    Saved,
    Skipped,
)
from tinytownd.domain.errors import (
    Ambiguous,
    BadInput,
    Conflict,
    IllegalTransition,
    NotFound,
    PlanError,
    TimedOut,
    TownError,
    Unavailable,
)

__all__ = [
    "Agent",
    "AgentInfo",
    "AgentOptions",
    "Ambiguous",
    "Archived",
    "Backlog",
    "BadInput",
    "Closed",
    "Conductor",
    "Conflict",
    "Cost",
    "Count",
    "Event",
    "Events",
    "Finding",
    "Finished",
    "Goal",
    "IllegalTransition",
    "Kept",
    "Mail",
    "Message",
    "Need",
    "NotFound",
    "Plan",
    "PlanCheck",
    "PlanError",
    "PlanInfo",
    "PlanStatus",
    "PlanWarning",
    "Planned",
    "Pruned",
    "Pushed",
    "Reclaimed",
    "Removed",
    "Report",
    "Round",
    "Saved",
    "Skipped",
    "Spent",
    "Status",
    "Task",
    "TaskCancelled",
    "TaskError",
    "TaskFailed",
    "TaskHeld",
    "TaskInfo",
    "TaskOptions",
    "TimedOut",
    "Town",
    "TownError",
    "Unavailable",
]
