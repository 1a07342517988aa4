import itertools
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytownd.runtimes.readers import READERS, RateLimit, Transcript, reader
from tinytownd.runtimes.readers.base import LINE_LIMIT, TEXT_LIMIT
from tinytownd.runtimes.readers.text import TAIL
from tinytownd.runtimes.verdict import verdict

RECORDED = Path(__file__).with_name("transcripts")
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
quick = settings(max_examples=60, deadline=None, database=None)


def read(format_name: str, *pieces: bytes) -> Transcript:
    subject = reader(format_name, lambda: NOON)
    for piece in pieces:
        subject.feed(piece)
    return subject.finish()


def lines(*records: object) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.jsonl").read_bytes()


CLAUDE_LOST = "No conversation found with session ID: 00000000-0000-4000-8000-000000000000"
CODEX_LOST = (
    "Error: thread/resume: thread/resume failed: no rollout found for thread id 0 (code -32600)"
)


@pytest.mark.parametrize(
    ("name", "exit_code", "kind", "says"),
    [
        ("claude-success", 0, "completed", "It printed: task completed"),
        ("claude-resume", 0, "completed", "It printed: task completed"),
        ("claude-500-then-ok", 0, "completed", "It printed: task completed"),
        ("claude-400", 1, "failed", "API Error: 400"),
        ("claude-429", 1, "limited", "Request rejected (429)"),
        ("claude-529", 1, "limited", "overloaded"),
        ("claude-resume-missing", 1, "failed", "No conversation found"),
        ("claude-signal2", 0, "failed", "without a word"),
        ("claude-signal15", 143, "failed", "SIGTERM"),
        ("codex-success", 0, "completed", "task completed"),
        ("codex-resume", 0, "completed", "task completed"),
        ("codex-400", 1, "failed", "loopback server: invalid_request_error"),
        ("codex-429", 1, "limited", "429 Too Many Requests"),
        ("codex-429-usage-limit", 1, "limited", "hit your usage limit"),
        ("codex-500", 1, "failed", "high demand"),
        ("codex-signal2", 1, "failed", "exit code 1"),
    ],
)
def test_what_the_real_clis_printed(name: str, exit_code: int, kind: str, says: str) -> None:
    outcome = verdict(read(name.partition("-")[0], recorded(name)), exit_code)
    assert outcome.kind == kind
    assert says in (outcome.error if outcome.error is not None else outcome.text)
    assert outcome.session_lost == (name == "claude-resume-missing")
    assert (outcome.session is None) == outcome.session_lost


def test_the_numbers_of_the_real_clis() -> None:
    claude = read("claude", recorded("claude-success"))
    assert (claude.input_tokens, claude.output_tokens, claude.cost_usd) == (240, 60, 0.0027)
    assert claude.session == "6808d67b-dc75-4685-80ad-3c1387811471"
    fresh, resumed = (read("codex", recorded(f"codex-{run}")) for run in ("success", "resume"))
    assert (fresh.input_tokens, fresh.output_tokens) == (240, 60)
    assert (resumed.input_tokens, resumed.output_tokens) == (480, 120)  # the thread's total
    assert fresh.cumulative
    assert resumed.cumulative
    assert fresh.session == resumed.session is not None


def test_a_usage_limit_names_its_end() -> None:
    outcome = verdict(read("codex", recorded("codex-429-usage-limit")), 1)
    assert outcome.resets_at == datetime(2026, 11, 22, 12, 47, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "stderr"),
    [("claude-resume-missing", CLAUDE_LOST), ("codex-resume-missing", CODEX_LOST)],
)
def test_a_lost_session_is_recognised_in_stderr(name: str, stderr: str) -> None:
    format_name = name.partition("-")[0]
    for output in (recorded(name), b""):
        outcome = verdict(read(format_name, output), 1, f"WARNING: something\n{stderr}\n")
        assert (outcome.kind, outcome.session_lost, outcome.session) == ("failed", True, None)


def test_the_final_record_is_seen_while_the_process_runs() -> None:
    output = recorded("claude-success")
    subject = reader("claude")
    subject.feed(output[:-1])
    assert not subject.final
    subject.feed(output[-1:])
    assert subject.final


def test_claude_limits_and_interrupts() -> None:
    event = {"status": "rejected", "resetsAt": 1767225600, "rateLimitType": "five_hour"}
    refused = {"type": "result", "subtype": "success", "is_error": True, "api_error_status": 429}
    limited = read("claude", lines({"type": "rate_limit_event", "rate_limit_info": event}, refused))
    assert limited.limit == RateLimit(datetime(2026, 1, 1, tzinfo=UTC))
    assert verdict(limited, 1).resets_at == datetime(2026, 1, 1, tzinfo=UTC)

    warned = {"type": "rate_limit_event", "rate_limit_info": {**event, "status": "allowed_warning"}}
    assert read("claude", lines(warned)).limit is None

    fine = {"type": "result", "subtype": "success", "is_error": False, "result": "done"}
    rejected = {"type": "rate_limit_event", "rate_limit_info": event}
    assert verdict(read("claude", lines(rejected, fine)), 0).kind == "completed"

    interrupted = {"type": "result", "subtype": "error_during_execution", "is_error": False}
    assert verdict(read("claude", lines(interrupted)), 0).kind == "failed"


def test_a_subagents_words_are_not_the_result() -> None:
    said = {"type": "assistant", "message": {"content": [{"type": "text", "text": "mine"}]}}
    inner = {"type": "assistant", "message": {"content": [{"type": "text", "text": "theirs"}]}}
    assert read("claude", lines(said, {**inner, "parent_tool_use_id": "t1"})).text == "mine"


AUGGIE = {"result": "done", "is_error": False, "subtype": "success", "session_id": "s-1"}


NESTED = {**AUGGIE, "turns": [{"n": 1}, {}, {"n": 2}], "billing": {"credits": {"used": 1}}}


@pytest.mark.parametrize(
    "output",
    [
        lines(AUGGIE),
        json.dumps(AUGGIE, indent=2).encode(),
        json.dumps(NESTED, indent=2).encode(),
        json.dumps(AUGGIE, indent=2).encode() + b"\n}\nBye\n",
    ],
)
def test_auggie(output: bytes) -> None:
    transcript = read("auggie", b"Some banner\n", output)
    assert (transcript.failed, transcript.text, transcript.session) == (False, "done", "s-1")
    failed = read("auggie", lines({**AUGGIE, "is_error": True, "result": "rate limit: 429"}))
    assert verdict(failed, 1).kind == "limited"


def test_gemini() -> None:
    talk = [
        {"type": "init", "session_id": "g-1"},
        {"type": "message", "role": "user", "content": "the prompt"},
        {"type": "message", "role": "assistant", "content": "Let me see", "delta": True},
        {"type": "tool_use", "tool_name": "shell"},
        {"type": "message", "role": "assistant", "content": "All ", "delta": True},
        {"type": "message", "role": "assistant", "content": "done", "delta": True},
    ]
    stats = {"input_tokens": 5, "output_tokens": 7}
    good = read("gemini", lines(*talk, {"type": "result", "status": "success", "stats": stats}))
    assert (good.text, good.session, good.failed) == ("All done", "g-1", False)
    assert (good.input_tokens, good.output_tokens) == (5, 7)
    error = {"type": "Api", "message": "Resource exhausted, retry in 30s"}
    bad = read("gemini", lines(*talk, {"type": "result", "status": "error", "error": error}))
    assert verdict(bad, 1).resets_at == NOON.replace(second=30)


def test_copilot() -> None:
    said = {"type": "assistant.message", "data": {"content": "done"}}
    good = read("copilot", lines(said, {"type": "result", "sessionId": "c-1", "exitCode": 0}))
    assert (good.text, good.session, good.failed) == ("done", "c-1", False)
    error = {"type": "session.error", "data": {"message": "no such model"}}
    bad = read("copilot", lines(error, {"type": "result", "sessionId": "c-1", "exitCode": 1}))
    assert (bad.failed, bad.error) == (True, "no such model")


def test_opencode() -> None:
    def step(reason: str) -> dict[str, object]:
        tokens = {"input": 10, "output": 2, "cache": {"read": 1, "write": 1}}
        part = {"reason": reason, "cost": 0.5, "tokens": tokens}
        return {"type": "step_finish", "sessionID": "o-1", "part": part}

    text = {"type": "text", "sessionID": "o-1", "part": {"text": "done"}}
    midway = read("opencode", lines(step("tool-calls")))
    assert midway.failed is None
    good = read("opencode", lines(step("tool-calls"), text, step("stop")))
    assert (good.text, good.session, good.failed) == ("done", "o-1", False)
    assert (good.input_tokens, good.output_tokens, good.cost_usd) == (24, 4, 1.0)
    error = {"type": "error", "error": {"name": "E", "data": {"message": "boom"}}}
    assert read("opencode", lines(error, step("stop"))).error == "boom"


def test_plain_text_keeps_its_end() -> None:
    transcript = read("text", b"x" * 100_000, "ü".encode() * 3000, b"\nthe end\n")
    assert transcript.text.endswith("ü\nthe end")
    assert len(transcript.text.encode()) <= TAIL
    assert verdict(transcript, 0).kind == "completed"


def test_aider_exits_0_with_an_error() -> None:
    error = b"litellm.RateLimitError: slow down, try again in 2 minutes\n"
    counts = b"Tokens: 2.4k sent, 135 received. Cost: $0.0081 message, $0.02 session.\n"
    failed = verdict(read("aider", counts, error), 0)
    assert (failed.kind, failed.resets_at) == ("limited", NOON.replace(minute=2))
    assert verdict(read("aider", error, counts), 0).kind == "completed"
    assert verdict(read("aider", b"litellm.AuthenticationError: bad key\n"), 0).kind == "failed"


# --- hostile output


@pytest.mark.parametrize("format_name", list(READERS))
@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"\n\n\n",
        b"\xff\xfe\x00\n{\xff}\n",
        b'{"type":\n',
        b"[1,2]\n3\nnull\n",
        b'{"type": ' + b"[" * 100_000 + b"\n",
        b'{"type": ' + b"9" * 10_000 + b"}\n",
        b"{\n" * 1000,
        lines({"type": ["result"]}, {"type": None}, {}, {"type": "unheard-of"}),
    ],
)
def test_nonsense_is_no_verdict(format_name: str, output: bytes) -> None:
    transcript = read(format_name, output)
    assert transcript.failed is None
    assert transcript.session is None


def test_a_huge_line_is_passed_over_and_memory_stays_bounded() -> None:
    subject = reader("claude")
    subject.feed(b'{"type": "user", "x": "')
    for _ in range(20):
        subject.feed(b"x" * 1_000_000)
        assert len(subject._line) <= LINE_LIMIT  # type: ignore[attr-defined]
    subject.feed(b'"}\n' + recorded("claude-success"))
    assert subject.finish().failed is False


def test_a_huge_text_is_cut_and_can_be_stored() -> None:
    text = "\ud800\0" + "y" * 1_000_000
    transcript = read("claude", lines({"type": "result", "subtype": "success", "result": text}))
    assert len(transcript.text) == TEXT_LIMIT
    assert "\0" not in transcript.text
    transcript.text.encode()


@pytest.mark.parametrize("session", ["--dangerous", "", "a b", "x" * 200, 5, None, ["s"], "a\nb"])
def test_a_session_that_is_no_id_is_not_taken(session: object) -> None:
    assert read("claude", lines({"type": "system", "session_id": session})).session is None


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
WORDS = sorted(
    {word for name in RECORDED.glob("*.jsonl") for word in name.read_text().split('"')[1::2]}
    | {"step_finish", "tokens", "part", "status", "stats", "exitCode", "data", "content", "cost"}
    | {"rate_limit_event", "rate_limit_info", "rejected", "resetsAt", "session.error", "message"}
)
NAMES = st.sampled_from([word for word in WORDS if len(word) < 40])
VALUES = st.recursive(
    SCALARS | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(NAMES, VALUES, max_size=5), max_size=5)


@pytest.mark.parametrize("format_name", list(READERS))
@quick
@given(records=RECORDS)
def test_any_record_is_survived(format_name: str, records: list[dict[str, object]]) -> None:
    transcript = read(format_name, lines(*records))
    outcome = verdict(transcript, 1, "")
    assert outcome.input_tokens >= 0
    outcome.text.encode()
    (outcome.error or "").encode()


@quick
@given(cuts=st.lists(st.integers(0, 4000), max_size=6), noise=st.binary(max_size=40))
def test_it_does_not_matter_where_the_output_is_cut(cuts: list[int], noise: bytes) -> None:
    output = noise + b"\n" + recorded("claude-success")
    ends = [0, *sorted(min(cut, len(output)) for cut in cuts), len(output)]
    pieces = [output[a:b] for a, b in itertools.pairwise(ends)]
    assert read("claude", *pieces) == read("claude", recorded("claude-success"))
