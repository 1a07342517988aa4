"""A goal for the conductor's own agent, and the plan that it makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from tinytown_cli.api.following import Events
from tinytown_cli.api.records import Message, PlanStatus, read
from tinytown_cli.api.session import Deadline, Session
from tinytown_cli.progress import is_decisive, is_made

if TYPE_CHECKING:
    from tinytown_cli.api.plans import Plan


class Goal:
    """A goal that was handed over: `plan` is what its plan is called, `message` the request."""

    def __init__(self, session: Session, plan: Plan, message: Message) -> None:
        self._session = session
        self.plan, self.message = plan, message

    def __repr__(self) -> str:
        return f"<Goal {self.plan.name}>"

    async def made(self, timeout: float | None = None) -> PlanStatus:
        """Waits until the agent has made the plan, or will not; how the plan stands then.

        It is `proposed`, and waits for `plan.approve()` or `plan.reject(reason)`, after which the
        agent makes it anew; `none` where nothing was made of the goal. Raises `TimedOut`.
        """
        deadline, session = Deadline(timeout), self._session.following()
        with anyio.move_on_after(deadline.left()):
            async with Events(session) as events:
                while not (made := await self._look(session)):
                    async for event in events:
                        if is_decisive(event.event, event.agent) or event.message:
                            break
                return made
        raise deadline.missed(f"there is still no plan {self.plan.name}")

    async def _look(self, session: Session) -> PlanStatus | None:
        """How the plan stands, if it is made."""
        status = await session.ask("conductor.status", plan=self.plan.name)
        thread = await session.ask("message.thread", message=self.message.id)
        return read(PlanStatus, status) if is_made(status, thread, self.message.id) else None
