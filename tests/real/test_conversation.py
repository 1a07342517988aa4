"""What the loopback model reads in a request and decides: pure, without any CLI."""

from __future__ import annotations

from typing import Any

import pytest

from tests.real.conversation import Run, Say, Write, decide, inherited_words

pytestmark = pytest.mark.real

PROMPT = """You are tester.

# Your task: t
Test it

# Results it builds on
## a, by architect
Built on word-00000000; made word-aaaaaaaa
## b, by developer
wrote src/authentication.py
# Messages
## not a result
word-bbbbbbbb

# When you are done
    tt task complete t --result "what you did"
"""


def request(*texts: str, tools: tuple[str, ...] = ("Bash",)) -> dict[str, Any]:
    """A request to the Messages API, whose user says these texts one after the other."""
    messages = [{"role": "user", "content": text} for text in texts]
    return {"messages": messages, "tools": [{"name": name} for name in tools]}


def test_one_word_of_each_result_is_inherited() -> None:
    assert inherited_words(PROMPT) == ["word-aaaaaaaa", "authentication"]


def test_the_command_is_derived_from_the_last_prompt() -> None:
    answer = decide("messages", request("Say hello", PROMPT))

    assert isinstance(answer, Run)
    assert answer.command.startswith(
        'tt task complete t --result "Built on word-aaaaaaaa authentication; made word-'
    )


def test_two_answers_have_different_words() -> None:
    assert decide("messages", request(PROMPT)) != decide("messages", request(PROMPT))


@pytest.mark.parametrize(
    "body", [request(PROMPT, "Say hello"), request(PROMPT, tools=("Read",)), request(), {}]
)
def test_without_command_or_tool_there_is_only_a_text(body: dict[str, Any]) -> None:
    assert isinstance(decide("messages", body), Say)


def test_the_steps_of_a_prompt_come_one_a_time_and_then_the_command() -> None:
    prompt = PROMPT.replace("Test it", "Then write: /town/a b\nThen run: touch c; ls")
    body = request(prompt)
    steps: list[object] = []
    for number in range(4):
        steps.append(decide("messages", body))
        result = {"type": "tool_result", "content": f"result {number}"}
        body["messages"].append({"role": "user", "content": [result]})

    write, run, complete, said = steps
    assert (write, run) == (Write("Bash", "/town/a b"), Run("Bash", "touch c; ls"))
    assert isinstance(complete, Run)
    assert complete.command.startswith("tt task complete t ")
    assert said == Say("The command ended. It printed: result 2")


def test_reminders_beside_the_prompt_are_no_prompt() -> None:
    body = request(PROMPT, "<system-reminder>Today is Monday</system-reminder>")

    assert isinstance(decide("messages", body), Run)
