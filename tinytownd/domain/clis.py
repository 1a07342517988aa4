"""The agent CLIs that people install: their programs, and where a sign-in shows. Data, and no more.

It is here, and not in the catalogue, because the client reads it too, before there is a daemon.
Variables and files are those of the CLIs' own documentation in 2026-11.
"""

from __future__ import annotations

from typing import NamedTuple


class Cli(NamedTuple):
    """One CLI: its program, how one signs in, and what shows that somebody has.

    `file` is below the user's directory, or below the one that the variable `moved_by` names in
    place of its first part. `elsewhere` says that a sign-in may be where nobody can look without
    asking: a keychain, a file of the project's.
    """

    program: str
    login: str
    variables: tuple[str, ...]
    file: str = ""
    moved_by: str = ""
    elsewhere: bool = False


_CODEX = Cli(
    "codex", "codex login", ("OPENAI_API_KEY", "CODEX_API_KEY"), ".codex/auth.json", "CODEX_HOME"
)

CLIS = {
    "claude": Cli(
        "claude",
        "claude, then /login",
        (
            *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
            *("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX"),
        ),
        ".claude/.credentials.json",
        "CLAUDE_CONFIG_DIR",
    ),
    "auggie": Cli("auggie", "auggie login", ("AUGMENT_SESSION_AUTH",), ".augment/session.json"),
    "codex": _CODEX,
    "codex-mini": _CODEX,
    "gemini": Cli(
        "gemini",
        "gemini, then /auth",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"),
        ".gemini/oauth_creds.json",
    ),
    "copilot": Cli(
        "copilot",
        "copilot, then /login",
        ("COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"),
        elsewhere=True,
    ),
    "cursor": Cli("cursor-agent", "cursor-agent login", ("CURSOR_API_KEY",), elsewhere=True),
    "aider": Cli(
        "aider", "aider, which says how", ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"), elsewhere=True
    ),
    "opencode": Cli(
        "opencode",
        "opencode auth login",
        (),
        ".local/share/opencode/auth.json",
        elsewhere=True,
    ),
}
#: On this system secrets go into a keychain, which only its owner may open (claude, codex).
KEYCHAIN_SYSTEM = "darwin"
