"""What the loopback model reads in a request, and what it decides to say. Pure: no I/O.

Both APIs send the whole conversation with every request. It is read into a list of turns, and the
answer is derived from the last prompt in it and from what came after that prompt.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

WORD = re.compile(r"\bword-[0-9a-f]{8}\b")
ATTEMPT = re.compile(r"^Then (?P<how>write|run): (?P<what>.+)$", re.MULTILINE)
COMPLETE = re.compile(r"^[ \t]*tt task complete (?P<task>[\w./:-]+) --result ", re.MULTILINE)
APPROVE = re.compile(r"^[ \t]*tt approve (?P<task>[\w./:-]+)$", re.MULTILINE)
#: What the conductor's agent is asked when a task is for somebody who is not on the team.
NOBODY = re.compile(r"^Nobody will do \S+: there is no agent (?P<agent>\S+)$", re.MULTILINE)
CONDUCTOR = "You are the conductor of the town "
#: A task that says so is sent back once by its reviewer; what was reworked says so.
ONCE_MORE, REWORKED = "Rework it once", "Reworked"

Api = Literal["messages", "responses"]
# How a model runs a command: claude's tool, codex's function, or codex's JavaScript runner, which
# some models get in place of the function (it calls the same exec_command from inside).
ShellTool = Literal["Bash", "exec_command", "exec"]
SHELL_TOOLS: tuple[ShellTool, ...] = ("Bash", "exec_command", "exec")


@dataclass(frozen=True)
class Turn:
    """One piece of a conversation, in the order in which it was said."""

    kind: Literal["prompt", "answer", "call", "tool_result"]
    text: str


@dataclass(frozen=True)
class Say:
    """The model ends its turn with a text."""

    text: str


@dataclass(frozen=True)
class Run:
    """The model calls a shell tool with a command line."""

    tool: ShellTool
    command: str


@dataclass(frozen=True)
class Write:
    """The model writes a new file with the tool for that; `tool` is how it would run a command."""

    tool: ShellTool
    path: str


Answer = Say | Run | Write


def read_turns(api: Api, body: dict[str, Any]) -> list[Turn]:
    """The conversation in a request's body, without what the CLI itself put beside the prompt."""
    read = _messages_turns if api == "messages" else _responses_turns
    return [turn for turn in read(body) if turn.text.strip() and not _is_context(turn)]


def last_prompt(turns: list[Turn]) -> str:
    """The text of the last prompt; empty when there is none."""
    return next((turn.text for turn in reversed(turns) if turn.kind == "prompt"), "")


def decide(api: Api, body: dict[str, Any]) -> Answer:
    """The answer to a request: do what its prompt asks for, one step a time, then say so.

    The steps are the prompt's lines `Then write: FILE` and `Then run: COMMAND`, whatever becomes of
    them, and last the command that completes the task. The text of `--result` repeats a word of
    every result that the prompt builds on and adds a new random one. A reviewer approves, or
    rejects what was to be reworked and was not; the conductor's agent spawns whom a task is for. A
    prompt without any of this, or a request without the shell tool, gets only a text.
    """
    turns = read_turns(api, body)
    prompt = last_prompt(turns)
    outcomes = _outcomes_since_prompt(turns)
    attempts = list(ATTEMPT.finditer(prompt))
    if len(outcomes) > len(attempts):
        return Say(f"The command ended. It printed: {outcomes[-1].strip()[:500] or 'nothing'}")
    last = final_command(prompt)
    if len(outcomes) == len(attempts) and last is None:
        return Say("I do not know what to do: the prompt names no command that completes a task.")
    offered = set(_tool_names(body))
    tool = next((tool for tool in SHELL_TOOLS if tool in offered), None)
    if tool is None:
        return Say("I can not do this: I was given no shell tool.")
    if last is not None and len(outcomes) == len(attempts):
        return Run(tool, last)
    attempt = attempts[len(outcomes)]
    return (Write if attempt["how"] == "write" else Run)(tool, attempt["what"])


def final_command(prompt: str) -> str | None:
    """The last command that a prompt asks for; None where it asks for none."""
    if prompt.startswith(CONDUCTOR):
        nobody = NOBODY.search(prompt)
        return f"tt spawn {nobody['agent']}" if nobody else None
    if review := APPROVE.search(prompt):
        if ONCE_MORE in prompt and REWORKED not in prompt:
            return f'tt reject {review["task"]} "{ONCE_MORE}"'
        return f"tt approve {review['task']}"
    wanted = COMPLETE.search(prompt)
    if wanted is None:
        return None
    new_word = f"word-{secrets.token_hex(4)}"
    built_on = " ".join(inherited_words(prompt))
    text = f"Built on {built_on}; made {new_word}" if built_on else f"Made {new_word}"
    if "# What came back\n" in prompt:
        text = f"{REWORKED}: {text}"
    return f'tt task complete {wanted["task"]} --result "{text}"'


def inherited_words(prompt: str) -> list[str]:
    """One word of each block below `# Results it builds on`, to be repeated in the new result.

    It is the last `word-…` of the block (the one its author added), else its longest plain word.
    """
    _, found, rest = prompt.partition("# Results it builds on\n")
    section = re.split(r"^# ", rest, maxsplit=1, flags=re.MULTILINE)[0] if found else ""
    blocks = re.split(r"^## .*$", section, flags=re.MULTILINE)[1:]
    words = (WORD.findall(block)[-1:] or _longest_word(block) for block in blocks)
    return [word for found_words in words for word in found_words]


def _tool_names(part: dict[str, Any]) -> Iterator[str]:
    """All tools of a request: in its `tools`, in namespaces, and in items of codex's input."""
    for tool in part.get("tools") or []:
        yield tool.get("name", "")
        yield from _tool_names(tool)
    if isinstance(part.get("input"), list):
        for item in part["input"]:
            yield from _tool_names(item)


def _longest_word(block: str) -> list[str]:
    words: list[str] = re.findall(r"[A-Za-z0-9_-]+", block)
    return sorted(words, key=len)[-1:]


def _outcomes_since_prompt(turns: list[Turn]) -> list[str]:
    """The tool results after the last prompt, in order."""
    last = max((at for at, turn in enumerate(turns) if turn.kind == "prompt"), default=-1)
    return [turn.text for turn in turns[last + 1 :] if turn.kind == "tool_result"]


def _is_context(turn: Turn) -> bool:
    """The CLIs put reminders and facts about the machine beside the prompt, in XML-like tags."""
    return turn.kind == "prompt" and turn.text.lstrip().startswith("<")


def _messages_turns(body: dict[str, Any]) -> Iterator[Turn]:
    for message in body.get("messages", []):
        for block in _blocks(message["content"]):
            match block["type"]:
                case "text" if message["role"] == "user":
                    yield Turn("prompt", block["text"])
                case "text":
                    yield Turn("answer", block["text"])
                case "tool_use":
                    yield Turn("call", str(block["input"].get("command", block["input"])))
                case "tool_result":
                    yield Turn("tool_result", _joined(block.get("content", "")) or "nothing")


def _responses_turns(body: dict[str, Any]) -> Iterator[Turn]:
    for item in _blocks(body.get("input", [])):
        match item.get("type", "message"):
            case "message" | "text" if item.get("role", "user") == "user":
                for block in _blocks(item.get("content", item.get("text", ""))):
                    yield Turn("prompt", block.get("text", ""))
            case "message" if item["role"] == "assistant":
                yield Turn("answer", _joined(item["content"]))
            case "function_call":
                yield Turn("call", item["arguments"])
            case "custom_tool_call":
                yield Turn("call", item["input"])
            case "function_call_output" | "custom_tool_call_output":
                yield Turn("tool_result", _joined(item["output"]) or "nothing")


def _blocks(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _joined(content: str | list[dict[str, Any]]) -> str:
    return "\n".join(block.get("text", "") for block in _blocks(content))
