"""When the conductor's own agent is asked: once for each cause, and never for anything else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import NOW, agent, make_town, message, round_, settled, task
from tests.handlers.desk import Desk
from tinytownd.conductor.causes import MOST_TOLD
from tinytownd.conductor.schedule import settle
from tinytownd.domain import gates, questions
from tinytownd.domain.message import CONDUCTOR
from tinytownd.domain.policy import Policy
from tinytownd.domain.record import Record
from tinytownd.domain.town import Town
from tinytownd.domain.track import MAIN, TrackedPlan
from tinytownd.supervisor.decide import Begin, Sleep, next_step
from tinytownd.supervisor.loop import carry_out
from tinytownd.supervisor.verdict import Ending, Retries, begin, finish

HOUR = 3_600_000
RETRIES = Retries(1, 1_000, 1_000)


def policed(*records: Record, cli: str = "claude", rounds: int = 3600, **meta: Any) -> Town:
    """A town whose conductor has an agent, if it is asked anything."""
    numbers = {"agents": 10, "tasks": 10, "messages": 10, **meta}
    town = make_town(*records, **numbers)
    town.policy = Policy(conductor_cli=cli, conductor_rounds=rounds)
    return settled(town)


def asked(town: Town) -> list[str]:
    """What waits for the conductor's agent and starts a round of it."""
    return [one.text for one in town.inbox(CONDUCTOR) if one.starts_round]


def rounds_of_conductor(town: Town, until: int = 20) -> int:
    """Plays the conductor's agent until it rests: each round ends well and does nothing."""
    rounds = 0
    for _ in range(until):
        found = town.find_agent(CONDUCTOR)
        if found is None:
            return rounds
        match next_step(town, found.id):
            case Begin() as step:
                running = begin(town, found, step, token="x", cli=found.cli)
                finish(town, running, Ending("completed"), RETRIES)
                rounds += 1
            case Sleep(None):
                return rounds
            case Sleep(int(due)):
                town.now = due
            case step:
                carry_out(town, found.id, step, lambda _: None)
        settled(town)
    raise AssertionError("the conductor's agent does not come to rest")


def fail(town: Town, task_id: str, actor: str = "daemon") -> None:
    gates.fail(town, town.tasks[task_id], actor, "it broke")
    settled(town)


def running(number: int, owner: str, **fields: Any) -> Record:
    return task(number, owner, state="running", **fields)


# One round for each cause


def test_a_task_that_failed_for_good_is_one_round() -> None:
    town = policed(agent("ann"), running(1, "ann", attempts=3))
    fail(town, "t1")
    assert asked(town) == ["Task t1 failed after 3 attempts: it broke"]
    assert rounds_of_conductor(town) == 1
    assert asked(town) == []


@pytest.mark.parametrize("actor", ["person", CONDUCTOR])
def test_what_a_person_or_the_agent_itself_decided_is_no_cause(actor: str) -> None:
    town = policed(agent("ann"), running(1, "ann"))
    fail(town, "t1", actor)
    assert town.find_agent(CONDUCTOR) is None
    assert [one.sort for one in town.inbox(CONDUCTOR)] == ["info"]


def test_a_ready_task_of_somebody_who_is_not_there_is_one_round() -> None:
    town = policed(agent("ann"), task(1, "bob"), task(2, "bob"), task(3, "ann"))
    assert asked(town) == ["Nobody will do t1, t2: there is no agent bob"]
    assert rounds_of_conductor(town) == 1
    town.put(task(4, "ann"))
    settled(town)
    assert rounds_of_conductor(town) == 0


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"state": "error"}, "bob is error"),
        ({"state": "stopped", "desired": "stop"}, "bob is stopped"),
        ({"state": "cold", "desired": "close"}, "bob is cold"),
    ],
)
def test_a_ready_task_of_an_agent_that_will_not_work(fields: dict[str, Any], why: str) -> None:
    town = policed(agent("ann"), agent("bob", 2, **fields), task(1, "bob"))
    assert asked(town) == [f"Nobody will do t1: {why}"]


@pytest.mark.parametrize("desired", ["run", "pause"])
def test_somebody_who_is_busy_or_paused_will_do_it(desired: str) -> None:
    state = "paused" if desired == "pause" else "working"
    bob = agent("bob", desired=desired, state=state, hold_until=NOW + HOUR)
    assert asked(policed(bob, task(1, "bob"), task(2, "bob"), task(3, "bob"))) == []


def test_a_role_that_nobody_has_is_one_round_and_another_task_for_it_one_more() -> None:
    town = policed(agent("ann", role="dev"), task(1, role="reviewer"))
    assert asked(town) == ["Nobody will do t1: nobody with the role reviewer is there to do it"]
    assert rounds_of_conductor(town) == 1
    town.put(task(2, role="reviewer"))
    settled(town)
    assert asked(town) == ["Nobody will do t2: nobody with the role reviewer is there to do it"]
    assert rounds_of_conductor(town) == 1


def test_a_review_that_only_its_author_could_do_has_nobody() -> None:
    town = policed(
        agent("ann", role="dev"),
        task(1, "ann", state="submitted", review="role:dev"),
        task(2, role="dev", gate_of="t1"),
    )
    assert len(asked(town)) == 1
    town.put(agent("bob", 2, role="dev"))
    settled(town)
    assert town.tasks["t2"].agent == "bob"
    assert asked(town) == []


def test_an_agent_that_comes_and_goes_again_is_a_new_cause() -> None:
    town = policed(agent("ann"), task(1, "bob"))
    assert rounds_of_conductor(town) == 1
    town.put(agent("bob", 2))
    settled(town)
    assert town.tasks["t1"].state == "assigned"
    town.put(town.agent("bob").but(state="stopped", desired="stop"))
    settled(town)
    assert asked(town) == ["Nobody will do t1: bob is stopped"]
    assert rounds_of_conductor(town) == 1


def test_a_team_that_was_sent_home_is_no_cause() -> None:
    town = policed(agent("ann"), task(1, "ann"), task(2, "ann"), task(3, "ann"))
    town.put(town.agent("ann").but(state="cold", desired="close"))
    settled(town)
    assert town.find_agent(CONDUCTOR) is None


def test_one_whose_rounds_are_used_up_was_not_sent_home() -> None:
    ann = agent("ann", state="stopped", desired="stop", max_rounds=2, rounds_since_start=2)
    assert asked(policed(ann, task(1, "ann"))) == ["Nobody will do t1: ann is stopped"]


def plan_with_a_gap(**meta: Any) -> Town:
    tasks = (task(1, "ann", plan=MAIN), task(2, "ann", plan=MAIN, needs=("t1",)))
    return policed(agent("ann"), *tasks, TrackedPlan(MAIN, 1), conducting=True, **meta)


def test_a_plan_that_stalls_is_one_round() -> None:
    town = plan_with_a_gap()
    gates.cancel(town, town.tasks["t1"], "person")
    settled(town)
    assert town.plans[MAIN].state == "stalled"
    assert asked(town) == [
        "Plan main is stalled: 2 of 2 tasks have nobody who could go on with them"
    ]
    assert rounds_of_conductor(town) == 1
    settled(town)
    assert rounds_of_conductor(town) == 0


def test_a_plan_that_is_not_conducted_paused_or_proposed_is_no_cause() -> None:
    for plan in (TrackedPlan(MAIN, 1, paused=True), TrackedPlan(MAIN, 1, proposed=True)):
        assert asked(policed(task(1, "bob", plan=MAIN), plan, conducting=True)) == []
    assert asked(policed(task(1, "bob", plan=MAIN), TrackedPlan(MAIN, 1))) == []


@pytest.mark.parametrize("sort", ["request", "query"])
@pytest.mark.parametrize("sender", ["person", "ann"])
def test_what_is_asked_of_the_conductor_is_one_round(sort: str, sender: str) -> None:
    town = policed(agent("ann"), message(1, CONDUCTOR, sender=sender, sort=sort))
    assert rounds_of_conductor(town) == 1


@pytest.mark.parametrize("sort", ["info", "ack", "question"])
def test_notes_and_questions_to_people_wake_nobody(sort: str) -> None:
    town = policed(agent("ann"), message(1, CONDUCTOR, sender="ann", sort=sort, about="approve:t1"))
    assert town.find_agent(CONDUCTOR) is None
    town.put(agent(CONDUCTOR, 2))
    settled(town)
    assert rounds_of_conductor(town) == 0
    assert town.messages["m1"].state == "waiting"


def test_many_causes_are_one_round() -> None:
    town = policed(agent("ann"), *(running(n, "ann") for n in range(1, 6)), task(6, "bob"))
    for number in range(1, 6):
        gates.fail(town, town.tasks[f"t{number}"], "daemon", "it broke")
    settled(town)
    assert len(asked(town)) == 6
    assert rounds_of_conductor(town) == 1


# Not again and again


def test_a_task_is_put_to_the_agent_so_often_and_then_to_a_person() -> None:
    town = policed(agent("ann"), running(1, "ann"))
    for _ in range(MOST_TOLD + 2):
        fail(town, "t1")
        rounds_of_conductor(town)
        again = town.tasks["t1"].advance("retry").advance("assign").advance("start")
        town.put(again.but(state="running"))
        settled(town)
    fail(town, "t1")
    assert town.agent(CONDUCTOR).rounds == MOST_TOLD
    [question] = questions.open_questions(town)
    assert question.about == "failed:t1"
    assert question.text.endswith("The conductor was asked 3 times. What should it do?")


def test_a_task_that_loses_agent_after_agent_is_put_to_a_person_in_the_end() -> None:
    town = policed(agent("ann"), task(1, "bob"))
    for _ in range(MOST_TOLD + 2):
        rounds_of_conductor(town)
        town.put(agent("bob", 2))
        settled(town)
        town.put(town.agent("bob").but(state="error"))
        settled(town)
    assert town.agent(CONDUCTOR).rounds == MOST_TOLD
    [question] = questions.open_questions(town)
    assert question.about == "unfit:bob"


def test_a_person_s_answer_is_the_agent_s_next_round_and_it_may_be_asked_anew() -> None:
    desk = Desk(agent("ann"), running(1, "ann", told=MOST_TOLD), agents=10, messages=10)
    town = desk.town
    town.policy = Policy(conductor_cli="claude")
    town.put(agent(CONDUCTOR, 9))
    fail(town, "t1")
    assert asked(town) == []
    [question] = questions.open_questions(town)
    desk.call("question.answer", question=question.id, text="Give it to bob")
    assert asked(town) == ["Give it to bob"]
    assert town.tasks["t1"].told == 0
    assert rounds_of_conductor(town) == 1
    desk.call("task.retry", task="t1")
    town.put(town.tasks["t1"].advance("start"))
    fail(town, "t1")
    assert rounds_of_conductor(town) == 1


def test_a_person_who_tries_again_starts_the_count_anew() -> None:
    desk = Desk(agent("ann"), task(1, "ann", state="failed", told=MOST_TOLD), agents=5)
    desk.call("task.retry", task="t1")
    assert desk.town.tasks["t1"].told == 0


def test_what_is_settled_before_it_was_read_is_withdrawn() -> None:
    town = policed(agent("ann"), running(1, "ann"), task(2, "bob"), rounds=1)
    fail(town, "t1")
    assert len(asked(town)) == 2
    town.put(town.tasks["t1"].advance("retry"))
    town.put(agent("bob", 2))
    settled(town)
    assert asked(town) == []
    assert rounds_of_conductor(town) == 0


def test_a_question_that_is_settled_is_closed() -> None:
    town = policed(agent("ann"), running(1, "ann", told=MOST_TOLD))
    fail(town, "t1")
    assert len(list(questions.open_questions(town))) == 1
    town.put(town.tasks["t1"].advance("retry"))
    settled(town)
    assert list(questions.open_questions(town)) == []


# How often


def test_rounds_are_spread_over_the_hour() -> None:
    town = policed(agent("ann"), message(1, CONDUCTOR, sender="ann"), rounds=12)
    assert rounds_of_conductor(town) == 1
    town.put(message(2, CONDUCTOR, sender="ann"))
    town.put(message(3, CONDUCTOR, sender="ann"))
    settled(town)
    assert next_step(town, town.agent(CONDUCTOR).id) == Sleep(NOW + HOUR // 12)
    town.now = NOW + HOUR // 12
    step = next_step(town, town.agent(CONDUCTOR).id)
    assert isinstance(step, Begin)
    assert [one.id for one in step.messages] == ["m2", "m3"]


def test_a_person_does_not_wait() -> None:
    town = policed(agent("ann"), message(1, CONDUCTOR, sender="ann"), rounds=1)
    assert rounds_of_conductor(town) == 1
    town.put(message(2, CONDUCTOR, sender="ann"))
    town.put(message(3, CONDUCTOR))
    assert isinstance(next_step(settled(town), town.agent(CONDUCTOR).id), Begin)


def test_a_clock_that_was_set_back_does_not_silence_it() -> None:
    town = policed(agent("ann"), agent(CONDUCTOR, 2), message(1, CONDUCTOR, sender="ann"), rounds=1)
    town.put(round_(1, CONDUCTOR, started_at=NOW + 9 * HOUR, outcome="completed"))
    assert isinstance(next_step(town, "a2"), Begin)


def test_the_settings_switch_it_off() -> None:
    town = policed(agent("ann"), agent(CONDUCTOR, 2), message(1, CONDUCTOR))
    town.policy = Policy(conductor=False)
    assert next_step(town, "a2") == Sleep()


# The agent


def test_the_agent_comes_with_the_first_cause_and_only_if_its_cli_is_there() -> None:
    town = policed(agent("ann"), cli="")
    town.put(message(1, CONDUCTOR))
    settled(town)
    assert town.find_agent(CONDUCTOR) is None
    town.policy = Policy(conductor_cli="codex")
    settled(town)
    found = town.agent(CONDUCTOR)
    assert (found.cli, found.role, found.state) == ("codex", CONDUCTOR, "starting")


def test_without_an_agent_what_failed_stays_a_note_for_a_person() -> None:
    town = policed(agent("ann"), running(1, "ann"), cli="")
    fail(town, "t1")
    assert [one.sort for one in town.inbox(CONDUCTOR)] == ["info"]


def test_an_agent_that_a_person_stopped_is_asked_nothing() -> None:
    off = agent(CONDUCTOR, 2, state="stopped", desired="stop")
    town = policed(agent("ann"), running(1, "ann"), off)
    fail(town, "t1")
    assert asked(town) == []


@pytest.mark.parametrize("back", [{"state": "idle", "desired": "run"}, None])
def test_an_agent_that_is_back_is_asked_what_came_up_meanwhile(back: dict[str, Any] | None) -> None:
    off = agent(CONDUCTOR, 2, state="stopped", desired="stop")
    town = policed(agent("ann"), agent("bob", 3), off, task(1, "ann"))
    town.put(town.agent("ann").but(state="stopped", desired="stop"))
    settled(town)
    assert asked(town) == []
    if back is None:
        town.drop(town.agent(CONDUCTOR))
    else:
        town.put(town.agent(CONDUCTOR).but(**back))
    settled(town)
    assert asked(town) == ["Nobody will do t1: ann is stopped"]


def test_the_agent_changes_to_the_cli_that_the_settings_name() -> None:
    town = policed(agent("ann"), agent(CONDUCTOR, 2, session="s"))
    town.policy = Policy(conductor_cli="codex")
    settled(town)
    found = town.agent(CONDUCTOR)
    assert (found.cli, found.session, found.restart) == ("codex", None, True)
    town.put(found.but(restart=False))
    settled(town)
    assert not town.agent(CONDUCTOR).restart


def test_a_town_that_settled_settles_to_nothing() -> None:
    town = policed(agent("ann"), running(1, "ann"), task(2, "bob"), task(3, role="x"))
    fail(town, "t1")
    for _ in range(3):
        settle(town)
        assert not town.change
    assert len(asked(town)) == 3
