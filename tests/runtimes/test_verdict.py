import pytest

from tinytownd.runtimes.readers import RateLimit, Transcript
from tinytownd.runtimes.verdict import verdict


@pytest.mark.parametrize(
    ("format_name", "failed", "exit_code", "stderr", "kind", "error"),
    [
        # The final record comes first, whatever the exit code.
        ("claude", False, 0, "", "completed", None),
        ("claude", False, 143, "", "completed", None),
        ("claude", False, None, "noise", "completed", None),
        ("claude", True, 0, "", "failed", "from the record"),
        # Then the exit code, which a format with a final record may not end with 0.
        ("claude", None, 0, "", "failed", "it ended without a word"),
        ("claude", None, None, "", "unknown", "without an exit code"),
        ("claude", None, 3, "", "failed", "exit code 3"),
        ("claude", None, 3, "a\nlast words\n", "failed", "exit code 3: last words"),
        ("claude", None, 137, "", "failed", "ended by SIGKILL"),
        ("claude", None, 200, "", "failed", "exit code 200"),
        ("claude", None, 127, "sh: x: not found", "failed", "was not found: sh: x: not found"),
        ("claude", None, 126, "", "failed", "cannot be executed"),
        ("auggie", None, 1, "Error: 429 Too Many Requests", "limited", "429"),
        ("gemini", None, 173, "", "limited", "HTTP 429"),
        ("gemini", None, 145, "", "failed", "HTTP 401"),
        ("gemini", None, 41, "", "failed", "not signed in"),
        # Plain programs have nothing but the exit code, and may print what they like.
        ("text", None, 0, "warning: rate limit", "completed", None),
        ("text", None, 1, "FAILED test_429", "failed", "exit code 1: FAILED test_429"),
        ("text", None, 1, "429 rate limit", "failed", "exit code 1"),
        ("text", None, None, "", "unknown", "without an exit code"),
        ("aider", None, 0, "", "completed", None),
        ("aider", True, 0, "", "failed", "from the record"),
    ],
)
def test_how_a_round_ended(
    format_name: str,
    failed: bool | None,
    exit_code: int | None,
    stderr: str,
    kind: str,
    error: str | None,
) -> None:
    transcript = Transcript(format_name, session="s", text="the text", failed=failed)
    transcript.error = "from the record" if failed else None
    outcome = verdict(transcript, exit_code, stderr)
    assert outcome.kind == kind
    assert (outcome.error is None) == (error is None)
    assert (error or "") in (outcome.error or "")
    assert (outcome.text, outcome.session) == ("the text", "s")
    assert not outcome.session_lost


def test_a_limit_counts_only_when_it_ended_the_round() -> None:
    limited = Transcript("claude", failed=True, limit=RateLimit(), error="429")
    assert verdict(limited, 1).kind == "limited"
    limited.failed = False
    assert verdict(limited, 0).kind == "completed"
    limited.failed = None
    assert verdict(limited, 1).kind == "limited"


def test_geminis_bad_session_is_a_lost_one() -> None:
    outcome = verdict(Transcript("gemini", session="s"), 42)
    assert (outcome.session_lost, outcome.session) == (True, None)
