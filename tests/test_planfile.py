"""The plan file: what is read, what is refused and where, and what a pull writes."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tinytownd import wire
from tinytownd.domain.errors import PlanError
from tinytownd.domain.plan import Plan, PlanTask, digest, owner, waves
from tinytownd.planfile import parse, update

PLANS = Path(__file__).parent / "plans"
TUTORIAL = (PLANS / "tutorial.toml").read_text()
EVERY_KEY = (PLANS / "every-key.toml").read_text()


def refused(text: str) -> list[tuple[object, object, object]]:
    with pytest.raises(PlanError) as caught:
        parse(text)
    problems = caught.value.problems
    count = f"the plan has {len(problems)} problem"
    assert caught.value.message == count + "s" * (len(problems) > 1)
    return [(problem["line"], problem["message"], problem["hint"]) for problem in problems]


def digests(plan: Plan) -> dict[str, str]:
    return {task.id: digest(task, plan) for task in plan.tasks}


def state_of(task: PlanTask, plan: Plan, **changes: Any) -> PlanTask:
    """The task as a town has it that changed nothing but what is said."""
    return replace(task, **{"agent": owner(task, plan), "line": 0, **changes})


# Reading


def test_the_tutorial_is_read() -> None:
    plan = parse(TUTORIAL)
    assert (plan.description, plan.default_agent) == ("Auth API Pipeline", None)
    assert [(t.id, t.agent, t.parent, t.status, t.line) for t in plan.tasks] == [
        ("design", "architect", None, "pending", 4),
        ("implement", "developer", "design", "pending", 10),
        ("test", "tester", "implement", "pending", 17),
    ]
    assert plan.tasks[1].description == "Implement the auth API from the architect's design"


def test_every_key_is_read() -> None:
    plan = parse(EVERY_KEY)
    assert (plan.description, plan.default_agent) == ('Über "alles"', "developer")
    auth, api, first, tools = plan.tasks
    assert (auth.line, api.line, first.line, tools.line) == (6, 13, 33, 42)
    assert (auth.epic, auth.description) == (True, "A group # not a comment")
    assert api == PlanTask(
        id="api",
        description='One line, """quoted""", and = signs\n    [[tasks]]\n    id = "not-a-task"\n',
        agent="developer",
        status="running",
        parent="auth",
        depends_on=("plan", "tools"),
        tags=("backend", "ü-ber"),
        priority="high",
        line=13,
    )
    assert (first.run, first.result, first.status) == (
        'make plan && echo "done"',
        "Two\nlines",
        "completed",
    )
    assert (tools.agent, tools.priority, tools.tags) == ("smith", "normal", ())


@pytest.mark.parametrize("name", sorted(p.name for p in (PLANS / "broken").glob("*.toml")))
def test_a_broken_plan_is_refused_with_all_its_problems(name: str) -> None:
    """The first lines of each file, `#! LINE: MESSAGE`, say what is expected."""
    text = (PLANS / "broken" / name).read_text()
    expected = [line[3:] for line in text.splitlines() if line.startswith("#! ")]
    found = refused(text)
    assert [f"{line}: {message}" for line, message, _ in found] == expected
    assert all(hint for _, _, hint in found)


@pytest.mark.parametrize("name", sorted(p.name for p in (PLANS / "broken").glob("*.toml")))
def test_lines_are_the_same_with_other_line_endings(name: str) -> None:
    text = (PLANS / "broken" / name).read_text()
    assert refused(text.replace("\n", "\r\n")) == refused(text)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ('depend_on = ["b"]', "did you mean depends_on?"),
        ('zzz = "b"', "known keys: id, description, agent, "),
        (
            'status = "done"',
            "one of pending, assigned, running, blocked, submitted, completed, failed, cancelled",
        ),
        ('priority = "medium"', "one of urgent, high, normal, low"),
        ('depends_on = "b"', 'write depends_on = ["…"]'),
        ('parent = "aa"', "did you mean a?"),
        ("agent = dev", 'every line is key = value; texts stand in "quotes"'),
        ('id = "b"', "a key may be given once in a task"),
    ],
)
def test_a_hint_says_what_to_do(line: str, hint: str) -> None:
    found = refused(f'[[tasks]]\nid = "a"\ndescription = "A"\n{line}\n')
    assert [(at, str(said).startswith(hint)) for at, _, said in found] == [(4, True)]


ONE = '[[tasks]]\nid = "a"\ndescription = "A"\n'


HOSTILE = {
    "empty": ("", 1, "the plan has no tasks"),
    "only comments": ("# nothing\n\n", 1, "the plan has no tasks"),
    "empty list": ("tasks = []", 1, "the plan has no tasks"),
    "surrogate": (ONE + "x = '\ud800'", 4, "not UTF-8"),
    "NUL": (ONE + "# \0", 4, "not valid TOML: "),
    "deep": (ONE + "x = " + "[" * 100_000, 1, "lists or tables are nested too deeply"),
    "long number": (ONE + "x = " + "1" * 5_000, 1, "not valid TOML: "),
    "no date": (ONE + "x = 2026-13-45", 4, "not valid TOML: "),
    "long text": (ONE + f"run = '{'x' * (1024 * 1024 + 1)}'", 4, "task 'a': the run has 1,048"),
    "long file": ("#" * (wire.MAX_PLAN_BYTES + 1), 1, "the file has 16,777,217 bytes, more than"),
    "long id": (ONE + f"parent = '{'x' * 100_000}'", 4, "task 'a': 'xxxxxxxx"),
    "long key": (ONE + f"{'x' * 100_000} = 1", 4, "task 'a': unknown key 'xxxxxxxx"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_is_refused_in_one_short_line(name: str) -> None:
    text, line, message = HOSTILE[name]
    ((at, said, _),) = refused(text)
    assert (at, str(said)[: len(message)]) == (line, message)
    assert len(str(said)) < 200
    assert str(said).isprintable()


def test_a_byte_order_mark_is_no_problem() -> None:
    plan = parse("\ufeff" + ONE)
    assert plan.tasks[0].line == 1
    text, _ = update("\ufeff" + ONE, {"a": state_of(plan.tasks[0], plan, status="failed")})
    assert text == "\ufeff" + ONE + 'status = "failed"\n'


def test_a_thousand_problems_are_counted() -> None:
    text = "".join(f'[[tasks]]\nid = "t{i}"\ndescription = ""\n' for i in range(1000))
    with pytest.raises(PlanError, match="the plan has 1000 problems") as caught:
        parse(text)
    assert len(caught.value.problems) == 101
    assert caught.value.problems[-1]["message"] == "and 900 more problems"


# Bringing up to date


def pull(text: str, *extra: PlanTask, **changes: dict[str, object]) -> tuple[str, list[str]]:
    plan = parse(text)
    states = {t.id: state_of(t, plan, **changes.get(t.id, {})) for t in plan.tasks}
    return update(text, states, extra)


def test_nothing_new_changes_nothing() -> None:
    assert pull(EVERY_KEY) == (EVERY_KEY, [])
    assert update(EVERY_KEY, {}) == (EVERY_KEY, [])


def test_only_values_are_replaced() -> None:
    text, changed = pull(
        EVERY_KEY,
        auth={"status": "running"},
        api={"status": "completed", "agent": "smith", "result": 'All "well"'},
        plan={"result": "Three\n\n\\lines"},
        tools={"agent": "developer"},
    )
    assert changed == ["auth", "api", "plan", "tools"]
    expected = EVERY_KEY
    for old, new in [
        ("# nothing\n", '# nothing\n  status = "running"\n'),
        ('agent = "developer" # who', 'agent = "smith" # who'),
        (
            "status = 'running'     # where it is\n",
            "status = 'completed'     # where it is\n" + r'result = "All \"well\""' + "\n",
        ),
        ('"""\nTwo\nlines"""', '"""\nThree\n\n\\\\lines"""'),
        ('"smith"\n', '"developer"\n'),
    ]:
        assert expected.count(old) == 1
        expected = expected.replace(old, new)
    assert text == expected


@pytest.mark.parametrize(
    ("head", "task", "changes", "new"),
    [
        ("", 'agent = "b"\n', {"agent": None}, ""),
        ("", "", {"agent": "b"}, 'agent = "b"\n'),
        ("", 'result = "Old"\nstatus = "failed"\n', {"result": None}, 'status = "failed"\n'),
        ("", 'result = "" # none\n', {}, 'result = "" # none\n'),
        ("", 'agent = "b" # last', {"agent": None, "status": "failed"}, '\nstatus = "failed"'),
        ("", 'agent = "b" # last', {"status": "failed"}, 'agent = "b" # last\nstatus = "failed"'),
        ("", '"status" = """pending"""\n', {"status": "failed"}, '"status" = "failed"\n'),
        # The file cannot say "nobody" where there is a default, nor that a group has an agent.
        ('meta.default_agent = "dev"\n', 'agent = "b"\n', {"agent": None}, 'agent = "b"\n'),
        ('meta.default_agent = "dev"\n', "", {"agent": None}, ""),
        ("", "epic = true\n", {"agent": "b"}, "epic = true\n"),
    ],
)
def test_keys_come_and_go(head: str, task: str, changes: dict[str, object], new: str) -> None:
    text, changed = pull(head + ONE + task, a=changes)
    assert text == head + ONE + new
    assert changed == (["a"] if new != task else [])
    assert pull(text, a=changes) == (text, [])


def test_a_parent_does_not_become_a_group() -> None:
    text = ONE + 'agent = "b"\n[[tasks]]\nid = "c"\ndescription = "C"\nparent = "a"\n'
    assert pull(text, a={"agent": None}) == (text, [])


def test_the_other_tasks_of_the_town_are_appended() -> None:
    extra = [
        PlanTask("more", 'Say "more"', "dev", "completed", result="One\ntwo", run="make"),
        PlanTask("less", "Less", parent="more", depends_on=("design", "gone"), tags=("a", "b")),
        PlanTask("sum", "Sum", epic=True, priority="high", parent="gone"),
    ]
    text, changed = pull(TUTORIAL.removesuffix("\n"), *extra)
    assert changed == ["more", "less", "sum"]
    assert text == TUTORIAL + (
        '\n[[tasks]]\nid = "more"\ndescription = "Say \\"more\\""\nagent = "dev"\n'
        'status = "completed"\nrun = "make"\nresult = """\nOne\ntwo"""\n'
        '\n[[tasks]]\nid = "less"\ndescription = "Less"\nstatus = "pending"\nparent = "more"\n'
        'depends_on = ["design"]\ntags = ["a", "b"]\n'
        '\n[[tasks]]\nid = "sum"\ndescription = "Sum"\nstatus = "pending"\npriority = "high"\n'
        "epic = true\n"
    )
    assert pull(text, *extra) == (text, [])
    assert update(text, {}, [replace(extra[0], status="failed")])[1] == ["more"]


@pytest.mark.parametrize("text", ["", "\n", '[meta]\ndescription = "Ours"\n', "# Ours"])
def test_a_plan_without_tasks_takes_those_of_the_town(text: str) -> None:
    new, changed = update(text, {}, [PlanTask("a", "A", agent="dev")])
    assert changed == ["a"]
    assert new.startswith(text.strip())
    assert parse(new).tasks[0].agent == "dev"
    assert update(text, {}) == (text, [])


def test_a_broken_file_is_not_touched() -> None:
    with pytest.raises(PlanError):
        update(ONE + ONE, {})


def test_ten_thousand_tasks_take_seconds() -> None:
    blocks = (
        f'\n[[tasks]]\nid = "task-{i}"\ndescription = "Do number {i}"\nagent = "dev"\n'
        f'status = "pending"\ndepends_on = [{f"{chr(34)}task-{i - 1}{chr(34)}" if i else ""}]\n'
        for i in range(10_000)
    )
    text = '[meta]\ndescription = "Long"\n' + "".join(blocks)
    started = time.process_time()
    plan = parse(text)
    done = {t.id: state_of(t, plan, status="completed", result="a\nb") for t in plan.tasks}
    assert len(update(text, done)[1]) == 10_000
    # Three seconds as a rule: tomlkit's own round trip alone takes twice as long.
    assert time.process_time() - started < 10


def test_the_examples_of_the_documentation_are_a_plan() -> None:
    page = (PLANS.parent.parent / "docs" / "plan-file.md").read_text()
    plan = parse("".join(page.split("```toml\n")[i].split("```")[0] for i in range(1, 5)))
    assert [[task.id for task in wave] for wave in waves(plan)] == [
        ["design", "api", "ui"],
        ["implement", "review", "login", "logout"],
        ["check", "release"],
    ]
