"""Who gets the next slot, and that none is ever lost."""

from __future__ import annotations

import asyncio

from tinytownd.supervisor.slots import Slots

#: Seconds that something may take that takes microseconds.
SOON = 5.0


class Rounds:
    """Rounds that wait for a slot, keep it until they are told to end, and note their turn."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.slots = Slots(lambda: self.bound)
        self.order: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}
        #: How many rounds of each CLI and account may run at once; 0: any.
        self.bounds: dict[str, int] = {}

    async def begin(
        self, name: str, town: str = "x", priority: int = 2, age: int = 0, on: str = ""
    ) -> None:
        self._ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._run(name, (town, priority, age), on.split()))
        await turn()

    async def _run(self, name: str, place: tuple[str, int, int], on: list[str]) -> None:
        def bounds() -> dict[str, int]:
            return {what: self.bounds.get(what, 0) for what in on}

        slot = await self.slots.acquire(*place, bounds)
        self.order.append(name)
        await self._ends[name].wait()
        self.slots.release(slot)

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await asyncio.wait_for(self.tasks[name], SOON)
        await turn()

    async def end_all(self) -> list[str]:
        """Ends whoever runs, one after the other, until nobody waits."""
        done = 0
        while done < len(self.order):
            name = self.order[done]
            if not self.tasks[name].done():
                await self.end(name)
            done += 1
        return self.order


async def turn() -> None:
    """Lets everything that is ready to run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_never_more_than_the_bound() -> None:
    rounds = Rounds(2)
    for name in "abcde":
        await rounds.begin(name, age=ord(name))
    assert rounds.order == ["a", "b"]
    assert rounds.slots.taken == 2
    assert await rounds.end_all() == list("abcde")
    assert rounds.slots.taken == 0


async def test_priority_then_age() -> None:
    rounds = Rounds(1)
    await rounds.begin("first")
    for name, priority, age in [("old", 2, 1), ("young", 2, 9), ("low", 3, 0), ("urgent", 0, 10)]:
        await rounds.begin(name, priority=priority, age=age)
    assert await rounds.end_all() == ["first", "urgent", "old", "young", "low"]


async def test_towns_take_turns_within_a_priority() -> None:
    rounds = Rounds(1)
    await rounds.begin("x0", "x")
    for number in (1, 2, 3):
        await rounds.begin(f"x{number}", "x", age=number)
    await rounds.begin("y1", "y", age=50)
    await rounds.begin("y2", "y", age=51)
    assert await rounds.end_all() == ["x0", "y1", "x1", "y2", "x2", "x3"]


async def test_a_bound_that_was_raised_counts_at_the_next_turn() -> None:
    rounds = Rounds(1)
    for name in "abcd":
        await rounds.begin(name, age=ord(name))
    rounds.bound = 2
    await rounds.end("a")
    assert rounds.order == ["a", "b", "c"]
    rounds.bound = 0
    await rounds.end("b")
    assert rounds.order == ["a", "b", "c"]
    rounds.bound = 1
    assert await rounds.end_all() == list("abcd")


async def test_an_adopted_round_counts_even_beyond_the_bound() -> None:
    rounds = Rounds(1)
    adopted = [rounds.slots.adopt(), rounds.slots.adopt()]
    await rounds.begin("a")
    rounds.slots.release(adopted[0])
    await turn()
    assert rounds.order == []
    rounds.slots.release(adopted[1])
    await turn()
    assert rounds.order == ["a"]
    await rounds.end_all()


async def test_one_that_no_longer_waits_takes_no_other_with_it() -> None:
    rounds = Rounds(1)
    await rounds.begin("first")
    for name in ("x", "y"):
        await rounds.begin(name, town=name, priority=2, age=7)
    rounds.tasks["y"].cancel()
    await turn()
    assert await rounds.end_all() == ["first", "x"]
    assert rounds.slots.taken == 0


async def test_one_that_is_cancelled_as_a_slot_comes_free_does_not_get_it() -> None:
    rounds = Rounds(1)
    await rounds.begin("first")
    await rounds.begin("gone", age=1)
    await rounds.begin("next", age=2)
    rounds._ends["first"].set()
    rounds.tasks["gone"].cancel()
    await turn()
    assert await rounds.end_all() == ["first", "next"]
    assert rounds.tasks["first"].exception() is None
    assert rounds.slots.taken == 0


async def test_one_that_is_cancelled_as_it_gets_a_slot_passes_it_on() -> None:
    rounds = Rounds(1)
    adopted = rounds.slots.adopt()
    await rounds.begin("gone", age=1)
    await rounds.begin("next", age=1)
    rounds.slots.release(adopted)
    rounds.tasks["gone"].cancel()
    await turn()
    assert await rounds.end_all() == ["next"]
    assert rounds.slots.taken == 0


# At once


async def test_a_slot_is_taken_at_once_while_there_is_one() -> None:
    slots = Slots(lambda: 2)
    taken = [slots.take({"claude": 1}), slots.take({"claude": 1}), slots.take({}), slots.take({})]
    assert taken == [frozenset({"claude"}), None, frozenset(), None]
    slots.release(frozenset({"claude"}))
    assert slots.take({"claude": 1}) is not None
    assert slots.taken == 2


async def test_a_slot_is_taken_instead_of_one_that_is_held() -> None:
    slots = Slots(lambda: 2)
    claude, codex = slots.take({"claude": 1}), slots.take({"codex": 1})
    assert slots.take({"codex": 1}, claude) is None  # codex is full, and nothing was given back
    assert slots.take({"claude": 1}, codex) is None
    assert slots.take({"claude": 1}, claude) == claude
    assert slots.taken == 2


async def test_nobody_takes_at_once_what_another_waits_for() -> None:
    rounds = Rounds(1)
    mine = rounds.slots.take({})
    assert mine is not None
    await rounds.begin("waits")
    assert rounds.slots.take({}, mine) is None
    rounds.slots.release(mine)
    await turn()
    assert await rounds.end_all() == ["waits"]
    assert rounds.slots.taken == 0


# By CLI and by account


async def test_a_cli_that_is_full_holds_up_nobody_on_another() -> None:
    rounds = Rounds(10)
    rounds.bounds = {"claude": 1}
    for name in ("c1", "c2", "c3"):
        await rounds.begin(name, on="claude")
    await rounds.begin("x1", on="codex", priority=3)
    assert rounds.order == ["c1", "x1"]
    await rounds.end("x1")
    assert rounds.order == ["c1", "x1"]
    await rounds.end("c1")
    assert rounds.order == ["c1", "x1", "c2"]
    assert await rounds.end_all() == ["c1", "x1", "c2", "c3"]


async def test_the_first_that_fits_is_the_best_by_priority_then_age() -> None:
    rounds = Rounds(2)
    rounds.bounds = {"claude": 1}
    await rounds.begin("c1", on="claude")
    await rounds.begin("x1", on="codex")
    await rounds.begin("c2", on="claude", priority=0)
    await rounds.begin("old", on="codex", age=1)
    await rounds.begin("urgent", on="codex", priority=0, age=9)
    await rounds.end("x1")
    assert rounds.order[2:] == ["urgent"]
    await rounds.end("urgent")
    assert rounds.order[3:] == ["old"]
    await rounds.end("c1")
    assert rounds.order[4:] == ["c2"]
    await rounds.end_all()


async def test_clis_of_one_account_share_its_bound() -> None:
    rounds = Rounds(10)
    rounds.bounds = {"claude": 2, "work": 3}
    for name in ("c1", "c2", "c3"):
        await rounds.begin(name, on="claude work")
    for name in ("p1", "p2"):
        await rounds.begin(name, on="planner work")
    assert rounds.order == ["c1", "c2", "p1"]
    await rounds.end("p1")
    assert rounds.order[3:] == ["p2"], "claude itself is still full"
    await rounds.end("c1")
    assert rounds.order[4:] == ["c3"]
    await rounds.end_all()


async def test_bounds_are_asked_at_every_turn_and_count_what_runs_unbounded() -> None:
    rounds = Rounds(10)
    for name in ("c1", "c2"):
        await rounds.begin(name, on="claude")
    rounds.bounds = {"claude": 2}
    for name in ("c3", "c4"):
        await rounds.begin(name, on="claude")
    assert rounds.order == ["c1", "c2"]
    rounds.bounds = {"claude": 3}
    await rounds.begin("x1", on="codex")
    assert sorted(rounds.order) == ["c1", "c2", "c3", "x1"]
    await rounds.end_all()


async def test_an_adopted_round_counts_for_its_cli() -> None:
    rounds = Rounds(10)
    rounds.bounds = {"claude": 1}
    counted = rounds.slots.adopt({"claude": 1, "work": 0})
    await rounds.begin("c1", on="claude")
    await rounds.begin("x1", on="codex")
    assert rounds.order == ["x1"]
    rounds.slots.release(counted)
    await turn()
    assert rounds.order == ["x1", "c1"]
    await rounds.end_all()


async def test_one_that_is_cancelled_as_it_gets_a_slot_frees_its_cli() -> None:
    rounds = Rounds(10)
    rounds.bounds = {"claude": 1}
    counted = rounds.slots.adopt(["claude"])
    await rounds.begin("gone", on="claude", age=1)
    await rounds.begin("next", on="claude", age=2)
    rounds.slots.release(counted)
    rounds.tasks["gone"].cancel()
    await turn()
    assert await rounds.end_all() == ["next"]
    assert rounds.slots.taken == 0
