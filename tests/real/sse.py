"""Answers as server-sent events: the Messages API (claude) and the Responses API (codex). Pure.

The order of events and the fields are those that the CLIs were seen to accept, a subset of the
public API references.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

from tests.real.conversation import Answer, Api, Run, Say, Write

INPUT_TOKENS = 120
OUTPUT_TOKENS = 30
WRITTEN = "written by an agent"
ERROR_KINDS = {400: "invalid_request_error", 429: "rate_limit_error", 529: "overloaded_error"}

Event = dict[str, Any]


def encode(api: Api, answer: Answer, model: str) -> bytes:
    """The body of a streamed reply; each event carries its type as its name, too."""
    events = _messages_events if api == "messages" else _responses_events
    return "".join(
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events(answer, model)
    ).encode()


def failure(
    api: Api, status: int, retry_after_s: int | None = None, resets_at: int | None = None
) -> tuple[bytes, dict[str, str]]:
    """The JSON body and the headers of a failure, in the form of each API.

    `retry_after_s` is the usual header in seconds; `resets_at`, in seconds since the epoch, makes
    it the limit of a subscription, which names the time at which it ends.
    """
    kind = ERROR_KINDS.get(status, "api_error")
    headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    error: dict[str, Any] = {"type": kind, "message": f"loopback server: {kind}"}
    if api == "messages":
        if resets_at is not None:
            headers |= _subscription_headers(resets_at)
        return json.dumps({"type": "error", "error": error}).encode(), headers
    if resets_at is not None:
        error |= {"type": "usage_limit_reached", "plan_type": "plus", "resets_at": resets_at}
    return json.dumps({"error": error}).encode(), headers


def _subscription_headers(resets_at: int) -> dict[str, str]:
    prefix = "anthropic-ratelimit-unified"
    return {
        f"{prefix}-status": "rejected",
        f"{prefix}-reset": str(resets_at),
        f"{prefix}-representative-claim": "five_hour",
    }


def _messages_events(answer: Answer, model: str) -> Iterator[Event]:
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": 1}
    yield {
        "type": "message_start",
        "message": {
            "id": _new_id("msg"),
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        },
    }
    block, delta, stop_reason = _messages_block(answer)
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason, "stop_sequence": None},
        "usage": {"output_tokens": OUTPUT_TOKENS},
    }
    yield {"type": "message_stop"}


def _messages_block(answer: Answer) -> tuple[Event, Event, str]:
    if isinstance(answer, Say):
        text_delta = {"type": "text_delta", "text": answer.text}
        return {"type": "text", "text": ""}, text_delta, "end_turn"
    if isinstance(answer, Write):
        name, arguments = "Write", {"file_path": answer.path, "content": WRITTEN}
    else:
        name = answer.tool
        arguments = {"command": answer.command, "description": "Do what the prompt says"}
    block = {"type": "tool_use", "id": _new_id("toolu"), "name": name, "input": {}}
    delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
    return block, delta, "tool_use"


def _responses_events(answer: Answer, model: str) -> Iterator[Event]:
    response = {"id": _new_id("resp"), "object": "response", "model": model}
    yield {"type": "response.created", "response": {**response, "status": "in_progress"}}
    yield {
        "type": "response.output_item.done",
        "output_index": 0,
        "item": _responses_item(answer),
    }
    usage = {
        "input_tokens": INPUT_TOKENS,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": OUTPUT_TOKENS,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    }
    completed = {**response, "status": "completed", "usage": usage}
    yield {"type": "response.completed", "response": completed}


def _responses_item(answer: Answer) -> Event:
    if isinstance(answer, Say):
        content = [{"type": "output_text", "text": answer.text, "annotations": []}]
        return {"type": "message", "role": "assistant", "id": _new_id("msg"), "content": content}
    call = {"id": _new_id("call"), "call_id": _new_id("call"), "name": answer.tool}
    arguments = json.dumps({"cmd": _command(answer)})
    if answer.tool == "exec":
        source = f"const done = await tools.exec_command({arguments}); text(done.output);"
        if isinstance(answer, Write):
            source = f"text(await tools.apply_patch({json.dumps(_patch(answer.path))}));"
        return {"type": "custom_tool_call", **call, "input": source}
    return {"type": "function_call", **call, "arguments": arguments}


def _command(answer: Run | Write) -> str:
    """codex takes a command `apply_patch` for the tool, where a model has none."""
    if isinstance(answer, Run):
        return answer.command
    return f"apply_patch <<'END'\n{_patch(answer.path)}\nEND"


def _patch(path: str) -> str:
    """A file that is new, in codex's form of a patch."""
    return f"*** Begin Patch\n*** Add File: {path}\n+{WRITTEN}\n*** End Patch"


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
