"""A rate limit that one agent meets: who is held, until when, and who may go on elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.domain.towns import NOW, agent, events, make_town
from tinytownd.domain import rate_limits
from tinytownd.domain.deadlines import bound, shift
from tinytownd.domain.hostile import check_record
from tinytownd.domain.meta import Meta
from tinytownd.domain.policy import Policy
from tinytownd.domain.rate_limits import SPREAD_MS, STEP_MS, RateLimit
from tinytownd.domain.town import Town

HOUR = 3_600_000
ACCOUNTS = {"claude": "work", "claude-planner": "work", "codex": "home"}


def team(*clis: str, **settings: object) -> Town:
    """A town with an agent on each of the CLIs: b0, b1, …"""
    agents = (agent(f"b{n}", n + 1, cli=cli) for n, cli in enumerate(clis))
    town = make_town(*agents)
    town.policy = replace(Policy(), **settings)  # type: ignore[arg-type]
    return town


def meet(town: Town, name: str, cli: str = "claude", *, named: int | None = HOUR) -> None:
    """The agent's round meets a limit that ends so many milliseconds from now."""
    limit = RateLimit("429", None if named is None else NOW + named)
    town.put(rate_limits.met(town, town.agent(name), cli, limit))


def holds(town: Town) -> list[int | None]:
    """How long each agent is held from now, in milliseconds."""
    found = (one.hold_until for one in town.agents.values())
    return [None if until is None else until - NOW for until in found]


def test_all_of_the_cli_are_held_and_come_back_one_by_one_the_first_one_first() -> None:
    town = team("claude", "claude", "codex", "claude")
    meet(town, "b1")
    assert holds(town) == [HOUR + STEP_MS, HOUR, None, HOUR + 2 * STEP_MS]
    held = [one for one in town.agents.values() if one.on_hold(NOW)]
    assert all(
        (one.limited, one.hold_named, one.hold_reason) == (True, True, "429") for one in held
    )
    assert events(town) == ["agent.held"] * 3


def test_a_large_team_comes_back_within_the_spread() -> None:
    town = team(*["claude"] * 1_001)
    meet(town, "b0")
    found = [hold for hold in holds(town) if hold is not None]
    assert max(found) == HOUR + SPREAD_MS
    assert len(set(found)) == 1_001


def test_an_account_shares_its_limit() -> None:
    town = team("claude", "claude-planner", "codex", "aider", accounts=ACCOUNTS)
    meet(town, "b0")
    assert holds(town) == [HOUR, HOUR + STEP_MS, None, None]
    assert rate_limits.limited_until(town, "claude-planner") == NOW + HOUR
    assert rate_limits.limited_until(town, "codex") is None


def test_those_who_will_not_work_are_left_alone() -> None:
    town = make_town(
        agent("ann"),
        agent("broken", 2, state="error", hold_reason="not signed in"),
        agent("gone", 3, state="stopped", desired="stop"),
        agent("paused", 4, state="paused", desired="pause"),
    )
    meet(town, "ann")
    assert [one.limited for one in town.agents.values()] == [True, False, False, True]
    assert town.agent("broken").hold_reason == "not signed in"


def test_the_same_limit_met_again_is_told_once_and_the_last_one_goes_first() -> None:
    town = team("claude", "claude", "claude")
    meet(town, "b0")
    town.commit()
    meet(town, "b2", named=2 * HOUR)
    assert holds(town) == [2 * HOUR + STEP_MS, 2 * HOUR + 2 * STEP_MS, 2 * HOUR]
    assert [event["agent"] for event in town.change.events] == ["b2"]


def test_a_limit_without_a_time_shortens_none_that_was_named() -> None:
    town = team("claude", "claude")
    meet(town, "b0")
    meet(town, "b1", named=None)
    assert holds(town) == [HOUR + STEP_MS, HOUR]
    meet(town, "b0", named=HOUR // 2)
    assert holds(town) == [HOUR // 2, HOUR // 2 + STEP_MS]


def test_a_longer_hold_of_another_kind_stays() -> None:
    town = team("claude", "claude")
    town.put(town.agent("b1").held(NOW + 2 * HOUR, "broke"))
    meet(town, "b0")
    assert (town.agent("b1").hold_reason, town.agent("b1").limited) == ("broke", False)
    meet(town, "b0", named=3 * HOUR)
    assert (town.agent("b1").hold_reason, town.agent("b1").limited) == ("429", True)


@pytest.mark.parametrize(
    ("resets_in", "jitter", "hold"),
    [(HOUR, 1, HOUR + 60_000), (90_000, 1, 99_000), (90_000, 0.5, 94_500), (None, 1, 66_000)],
)
def test_jitter_is_a_tenth_and_a_minute_at_most(
    resets_in: int | None, jitter: float, hold: int
) -> None:
    at = None if resets_in is None else NOW + resets_in
    assert RateLimit("429", at, jitter).until(NOW, 1) == NOW + hold


def test_who_joins_meanwhile_waits_as_well() -> None:
    town = team("claude")
    meet(town, "b0")
    for number, cli in ((7, "claude"), (8, "codex")):
        town.put(agent(f"new{number}", number, cli=cli))
        rate_limits.hold_newcomer(town, town.agent(f"new{number}"))
    assert holds(town) == [HOUR, HOUR + STEP_MS, None]


# Falling back


def test_the_first_fallback_that_is_not_at_a_limit_itself() -> None:
    town = team("claude", "codex", fallbacks={"claude": ("codex", "aider")})
    one = town.agent("b0")
    assert rate_limits.fallbacks(town, one) == ()
    meet(town, "b0")
    assert rate_limits.fallbacks(town, town.agent("b0")) == ("codex", "aider")
    meet(town, "b1", "codex", named=HOUR // 2)
    assert rate_limits.fallbacks(town, town.agent("b0")) == ("aider",)
    meet(town, "b0", "aider", named=HOUR // 3)
    assert rate_limits.fallbacks(town, town.agent("b0")) == ()
    assert holds(town) == [HOUR, HOUR // 2], "its own hold is that of its own CLI"
    assert rate_limits.next_look(town, town.agent("b0")) == NOW + HOUR // 3


def test_an_agents_own_list_comes_before_that_of_its_cli() -> None:
    town = team("claude", fallbacks={"claude": ("codex",)})
    town.put(town.agent("b0").but(fallback=("aider",)))
    meet(town, "b0")
    assert rate_limits.fallbacks(town, town.agent("b0")) == ("aider",)


def test_a_fallback_of_the_same_account_is_none() -> None:
    town = team("claude", accounts=ACCOUNTS, fallbacks={"claude": ("claude-planner",)})
    meet(town, "b0")
    assert rate_limits.fallbacks(town, town.agent("b0")) == ()


def test_fallbacks_in_a_circle_end_where_both_are_limited() -> None:
    town = team("claude", "codex", fallbacks={"claude": ("codex",), "codex": ("claude",)})
    meet(town, "b0")
    assert rate_limits.fallbacks(town, town.agent("b0")) == ("codex",)
    meet(town, "b0", "codex")
    for name in ("b0", "b1"):
        assert rate_limits.fallbacks(town, town.agent(name)) == ()


@pytest.mark.parametrize(("limited", "found"), [(False, ()), (True, ("codex",))])
def test_only_the_hold_of_a_limit_has_a_fallback(limited: bool, found: tuple[str, ...]) -> None:
    town = team("claude", fallbacks={"claude": ("codex",)})
    rate_limits.remember(town, "claude", NOW + HOUR)
    town.put(town.agent("b0").held(NOW + HOUR, "broke", limited=limited))
    assert rate_limits.fallbacks(town, town.agent("b0")) == found


def test_between_the_reset_and_its_turn_an_agent_waits() -> None:
    town = team("claude", "claude", fallbacks={"claude": ("codex",)})
    meet(town, "b0")
    town.now += HOUR
    assert town.agent("b1").on_hold(town.now)
    assert rate_limits.fallbacks(town, town.agent("b1")) == ()


def test_what_is_over_is_forgotten_with_the_next_limit() -> None:
    town = team("claude", "codex")
    meet(town, "b0")
    town.now += 2 * HOUR
    assert rate_limits.limited_until(town, "claude") is None
    rate_limits.remember(town, "codex", town.now + 1)
    assert dict(town.meta.limited) == {"codex": town.now + 1}


# The clock


def test_a_clock_that_was_set_back_leaves_no_cli_limited_for_years() -> None:
    town = team("claude")
    meet(town, "b0", named=20 * HOUR)
    town.now -= 1_000 * HOUR
    bound(town, 24 * HOUR, HOUR)
    assert rate_limits.limited_until(town, "claude") == town.now + 24 * HOUR


def test_a_time_that_the_cli_named_does_not_move_with_the_clock() -> None:
    town = team("claude")
    meet(town, "b0")
    shift(town, HOUR)
    assert rate_limits.limited_until(town, "claude") == NOW + HOUR


def test_a_save_brings_limits_back_and_refuses_what_is_none() -> None:
    town = team("claude")
    meet(town, "b0")
    row = json.loads(json.dumps(town.meta.to_json()))
    assert check_record(Meta, row) == town.meta
    for wrong in ({"claude": "soon"}, {"claude": -1}, ["claude"], "claude"):
        with pytest.raises(ValueError, match="the limited of one of the town"):
            check_record(Meta, {**row, "limited": wrong})
