"""The plan file, at random: any plan, written in any way, pulled in any state."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st
from tomlkit.items import Whitespace

from tests.test_planfile import digests, refused, state_of
from tinytownd.domain.task import STATES
from tinytownd.planfile import parse, update

TEXTS = st.text(
    st.one_of(
        st.sampled_from("\"'\\\n\r\t #=[]{}é\u2028\x7f\x85"),
        st.characters(codec="utf-8", exclude_characters="\0"),
    ),
    max_size=12,
).filter(str.strip)
NAMES = st.sampled_from(["dev", "architect", "tester-2"])


def literal(text: str) -> str:
    return f"'{text}'" if text.isprintable() and "'" not in text else basic(text)


def basic(text: str) -> str:
    return tomlkit.string(text).as_string()


def long(text: str) -> str:
    return '"""\n' + "\n".join(basic(line)[1:-1] for line in text.split("\n")) + '"""'


STYLES: st.SearchStrategy[Callable[[str], str]] = st.sampled_from([basic, literal, long])
COMMENTS = st.sampled_from(["", "", "  # why", '# [[tasks]] id = "no"', "\t# é '''"])


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[tuple[int, str]]]:
    """A plan file, and the line on which each key of a task stands."""
    lines = draw(st.sampled_from([[], ["# Ours"], ["meta.default_agent = 'dev'", ""]]))
    places: list[tuple[int, str]] = []
    for i in range(draw(st.integers(1, 4))):
        values: dict[str, object] = {"id": f"t{i}", "description": draw(TEXTS)}
        keys: dict[str, st.SearchStrategy[object]] = {
            "agent": NAMES,
            "status": st.sampled_from(STATES),
            "result": TEXTS,
            "run": TEXTS,
            "depends_on": st.lists(st.sampled_from([f"t{j}" for j in range(i)] or [""]), max_size=2)
            if i
            else st.just([]),
        }
        for key in draw(st.lists(st.sampled_from(sorted(keys)), unique=True)):
            values[key] = draw(keys[key])
        lines.append(draw(st.sampled_from(["[[tasks]]", " [[ tasks ]]", '[["tasks"]]  # next'])))
        for key in draw(st.permutations(sorted(values))):
            places.append((sum(line.count("\n") + 1 for line in lines) + 1, f"t{i}"))
            value, style = values[key], draw(STYLES)
            written = style(value) if isinstance(value, str) else tomlkit.item(value).as_string()
            lines.append(f"{key} = {written}{draw(COMMENTS)}")
        lines += draw(st.sampled_from([[], [""], ["", "# about the next"]]))
    text = "\n".join(lines) + draw(st.sampled_from(["", "\n"]))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))), places


def comments(text: str) -> list[str]:
    """The comments of a TOML text, as tomlkit finds them."""
    document = tomlkit.parse(text)
    bodies = [document.body, *(table.value.body for table in document["tasks"])]
    items = [item for body in bodies for _, item in body if not isinstance(item, Whitespace)]
    return [item.trivia.comment for item in items if item.trivia.comment]


STATE = st.fixed_dictionaries({"status": st.sampled_from(STATES), "result": st.none() | TEXTS})


@settings(deadline=None)
@given(files(), st.data())
def test_push_and_pull_go_round(
    file: tuple[str, list[tuple[int, str]]], data: st.DataObject
) -> None:
    text, _ = file
    plan = parse(text)
    states = {t.id: state_of(t, plan, **data.draw(STATE)) for t in plan.tasks}
    pulled, changed = update(text, states)

    again = parse(pulled)
    assert digests(again) == digests(plan)
    for before, after in zip(plan.tasks, again.tasks, strict=True):
        state = states[after.id]
        assert (after.status, after.result) == (state.status, state.result)
        same = (before.status, before.result) == (after.status, after.result)
        assert (after.id in changed) is not same
    assert update(pulled, states) == (pulled, [])
    taken_out = sum(bool(t.result) and states[t.id].result is None for t in plan.tasks)
    lost = len(comments(text)) - len(comments(pulled))
    assert 0 <= lost <= taken_out
    assert lost or comments(pulled) == comments(text)
    assert ("\r\n" in text) <= (pulled.count("\n") == pulled.count("\r\n"))
    # Line breaks within texts may be read either way; tomlkit leaves them as they are.
    assert tomlkit.parse(pulled.replace("\r\n", "\n")).unwrap() == tomllib.loads(pulled)


@settings(deadline=None)
@given(files(), st.data())
def test_a_problem_is_on_its_line(
    file: tuple[str, list[tuple[int, str]]], data: st.DataObject
) -> None:
    text, places = file
    line, id_ = data.draw(st.sampled_from(places))
    lines = text.split("\n")
    lines.insert(line - 1, "oops = 1")
    ((at, message, _),) = refused("\n".join(lines).replace("\r\n", "\n"))
    assert (at, message) == (line, f"task '{id_}': unknown key 'oops'")
