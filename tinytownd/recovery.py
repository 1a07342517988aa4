"""What `tt recover` looks at beside the records: memory, supervisors, streams, processes, files.

The daemon does all this by itself, when it starts and while it runs. This is the second look, for
somebody who does not trust it, and for what no record tells.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

import structlog

from tinytownd.domain.agent import Agent
from tinytownd.domain.message import Round
from tinytownd.domain.retention import goes_on
from tinytownd.domain.town import Town
from tinytownd.runtimes.alive import held, marked
from tinytownd.runtimes.process import RoundProcess
from tinytownd.runtimes.roundfiles import RoundFiles
from tinytownd.store import keys
from tinytownd.store.town import TownStore

log = structlog.get_logger(__name__)
#: How long a round's process may be gone before its supervisor, which looks every second, should
#: have noticed, in seconds.
NOTICED_SECONDS = 3.0
#: Larger numbers are no round's: somebody else made that directory.
MOST = 999_999_999
#: Directories whose files are removed without a pause, in some ten milliseconds.
AT_ONCE = 50


class Finding(NamedTuple):
    """One thing that was found: what was done about it, and what a person may do."""

    what: str
    done: str = ""
    hint: str = ""


class Host(Protocol):
    """What recovery needs of an open town."""

    store: TownStore

    def unsupervised(self, agents: Iterable[Agent]) -> list[Agent]:
        """Those of the agents that no supervisor looks after."""

    async def supervise_anew(self, agent: Agent) -> None:
        """Gives the agent a new supervisor; one that it has is let go of, its round is not."""

    async def mend_streams(self) -> list[str]:
        """Mends the command streams that need it: their keys."""

    def files(self, running: Round) -> RoundFiles:
        """The files of a round."""


async def mend(host: Host, home: Path) -> list[Finding]:
    """Looks at it all and mends what is wrong; raises what the store raises."""
    found = []
    if not await host.store.reread():
        found.append(Finding("the town in memory was not the one in Redis", "read again"))
    for agent in await host.store.read(lambda town: host.unsupervised(town.agents.values())):
        await host.supervise_anew(agent)
        found.append(Finding(f"nobody looked after {agent.name}", "its supervisor was started"))
    names = await host.store.read(lambda town: {a.id: a.name for a in town.agents.values()})
    for stream in await host.mend_streams():
        whose = names.get(keys.parse_commands(stream)[1], "people")
        found.append(Finding(f"the command stream of {whose} was broken", "mended"))
    return [*found, *await mend_rounds(host), *await end_strays(host, home)]


async def mend_rounds(host: Host) -> list[Finding]:
    """Rounds that are open although their processes are gone get supervisors that look again."""
    lost = await silent_rounds(host)
    if not lost:
        return []
    # As good as always it ended just now, or is about to start.
    await asyncio.sleep(NOTICED_SECONDS)
    still = await silent_rounds(host)
    found = []
    for number in lost.keys() & still.keys():
        agent = still[number]
        await host.supervise_anew(agent)
        what = f"the process of round {number} of {agent.name} is gone"
        found.append(Finding(what, "its supervisor was started afresh"))
    return found


async def silent_rounds(host: Host) -> dict[str, Agent]:
    """The numbers of open rounds without a process, and whose they are."""

    def look(town: Town) -> list[tuple[Agent, Round]]:
        return [(a, town.rounds[a.round]) for a in town.agents.values() if a.round in town.rounds]

    rounds = await host.store.read(look)
    return {one.id: agent for agent, one in rounds if not held(host.files(one).lock)}


async def end_strays(host: Host, home: Path) -> list[Finding]:
    """Ends what still runs of rounds that are over, or that no record knows any more."""
    # In this order: a round's token is written down before a process has it.
    here = {"TINYTOWN_TOWN": host.store.id, "TINYTOWN_HOME": str(home)}
    running = await asyncio.to_thread(marked, here)
    rounds = await host.store.read(
        lambda town: {one.token: one for one in town.rounds.values() if one.token in running}
    )
    known = {token: rounds.get(token) for token in running}
    strays = {token: one for token, one in known.items() if one is None or one.over}
    ending = (_ended(host, token, one, len(running[token])) for token, one in strays.items())
    return await asyncio.gather(*ending)


async def _ended(host: Host, token: str, one: Round | None, count: int) -> Finding:
    # One that nobody knows has no files that tell of it: no agent's name begins with a dash.
    process = RoundProcess(host.files(one or Round("forgotten", "-", token)), token, None)
    await process.wait()
    whose = f"round {one.id} of {one.agent}, which is over" if one else "a round that is forgotten"
    what = f"{count} process{'' if count == 1 else 'es'} of {whose}"
    log.warning("round.stray", what=what, left=sorted(process.survivors))
    if process.survivors:
        return Finding(what, "", f"kill -9 {' '.join(map(str, sorted(process.survivors)))}")
    return Finding(what, "ended")


async def tidy(store: TownStore, private: Path, due: asyncio.Event) -> None:
    """Has a town put away what is too much, and removes the files of rounds that went, while due.

    A step at a time: others come between.
    """
    while due.is_set():
        due.clear()
        while await store.view(goes_on):
            await store.transact(lambda _: None)  # settling does it
        await sweep(store, private)


async def sweep(store: TownStore, private: Path) -> None:
    """Removes the files of rounds that a town dropped from its `.tt`, by way of no link."""
    upto = await store.view(lambda town: town.meta.cleared)
    left = await asyncio.to_thread(round_directories, private, upto) if upto else []
    for start in range(0, len(left), AT_ONCE):
        await asyncio.to_thread(_remove, left[start : start + AT_ONCE], private)


def _remove(directories: Iterable[Path], private: Path) -> None:
    # One after the other: a file system is slow after thousands at once.
    for directory in directories:
        RoundFiles(directory, within=private).remove()


async def count_on(store: TownStore, private: Path) -> None:
    """Numbers the town's rounds on from those that have files, and removes those that never were.

    In a store that is younger than the files a new round would find an old one's result. And a
    daemon may die when it has made a round's files ready, and before the round is written down.
    """
    written = await store.view(lambda town: town.meta.rounds)

    def looked_at() -> int:
        kept = [0]
        for directory in round_directories(private):
            files = RoundFiles(directory, within=private)
            if int(directory.name) > written and files.never_ran():
                files.remove()
            else:
                kept.append(int(directory.name))
        return max(kept)

    last = await asyncio.to_thread(looked_at)

    def raise_to(town: Town) -> None:
        if town.meta.rounds < last:
            town.put(town.meta.but(rounds=last))

    await store.transact(raise_to)


def round_directories(private: Path, upto: int = MOST) -> list[Path]:
    """What stands where rounds up to that one have their files, `rounds/<agent>/<number>`."""
    rounds = private / "rounds"
    return [
        rounds / agent / name
        for agent in _names(rounds)
        for name in _names(rounds / agent)
        if name.isdecimal() and int(name) <= upto
    ]


def _names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)  # noqa: PTH208 - of a thousand, a few are wanted
    except OSError:  # what nobody may read is not ours, either
        return []
