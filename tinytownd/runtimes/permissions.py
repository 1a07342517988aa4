"""How each CLI is held to a permission mode: the arguments, as data.

| mode | what an agent may do unasked |
| --- | --- |
| bypass | anything |
| edit | look, change files in the town's directory but for the town's own, run `tt` |
| read | look, run `tt` |

Nobody is there to answer: what is not allowed has to be refused by the CLI, never asked. A mode
that a CLI cannot keep is not in its table. Seen on the real claude 2.1.197 and codex 0.169.0
(tests/real/test_permissions.py), and by hand on gemini 0.61.0 and copilot 1.0.102 of 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Permission mode → the arguments that hold a CLI to it.
Fragments = Mapping[str, tuple[str, ...]]


def _fragments(**modes: tuple[str, ...]) -> Fragments:
    return MappingProxyType(modes)


#: Of a CLI that can be held to nothing: it does what it does.
UNBOUND = _fragments(bypass=())

# With `=`: the option takes any number of words. claude refuses by itself what would be a question.
# A denied edit also covers what its look at a shell command recognizes (cp, mv, rm, >). An agent
# that could edit the town's settings could give itself another mode for the next round.
_CLAUDE_TT = "--allowedTools=Bash(tt:*)"
CLAUDE = _fragments(
    bypass=("--dangerously-skip-permissions",),
    edit=(
        *("--permission-mode", "acceptEdits", _CLAUDE_TT),
        "--disallowedTools=Edit(/tinytown.toml),Edit(/.tt/**)",
    ),
    read=("--permission-mode", "dontAsk", _CLAUDE_TT, "--disallowedTools=Edit(//**)"),
)


def _codex(extends: str, more: str = "") -> tuple[str, ...]:
    """A permission profile of codex: its sandbox for shell commands and patches.

    `--sandbox` has no way to read only and reach the town: without the network its sandbox refuses
    Unix sockets, too (https://github.com/openai/codex/issues/39140). `-c` goes over what the
    user's own configuration says of all this.
    """
    profile = f'{{extends="{extends}",network={{enabled=true}}{more}}}'
    return (
        *("-c", 'default_permissions="tinytown"', "-c", f"permissions.tinytown={profile}"),
        *("-c", 'approval_policy="never"'),
    )


CODEX = _fragments(
    bypass=("--dangerously-bypass-approvals-and-sandbox",),
    edit=_codex(
        ":workspace",
        ',filesystem={":slash_tmp"="read",":tmpdir"="read"'
        ',":workspace_roots"={"tinytown.toml"="read",".tt"="read"}}',
    ),
    read=_codex(":read-only"),
)

# Not `auto_edit`: it lets `tt … > FILE` write anywhere.
_GEMINI_TT = "--allowed-tools=run_shell_command(tt)"
GEMINI = _fragments(
    bypass=("--approval-mode", "yolo"),
    edit=("--approval-mode", "default", f"{_GEMINI_TT},write_file,replace"),
    read=("--approval-mode", "default", _GEMINI_TT),
)

_COPILOT_TT = "--allow-tool=shell(tt:*)"
COPILOT = _fragments(
    bypass=("--allow-all-tools",),
    edit=(
        *("--allow-tool=write", "--deny-tool=write(tinytown.toml)"),
        *(_COPILOT_TT, "--disallow-temp-dir"),
    ),
    read=("--deny-tool=write", _COPILOT_TT, "--disallow-temp-dir"),
)
