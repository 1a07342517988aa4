"""How each kind of agent CLI is started, prompted, resumed and read: the catalogue, as data.

An argv is a template. `{prompt}`, `{prompt_file}`, `{session}` and `{model}` are replaced inside
its elements; an element that is just `{model}` or `{resume}` stands for the whole fragment, which
is left out when there is no model or no session. Nothing here is ever read by a shell.
Invocations: `--help` of the CLIs' releases of 2026-11; cursor and aider from their documentation.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

# Linux refuses one argument of 128 KiB or more, its closing NUL counted (MAX_ARG_STRLEN).
ARGUMENT_LIMIT = 128 * 1024 - 1

PromptBy = Literal["stdin", "argument", "file"]

_PLACEHOLDER = re.compile(r"\{(prompt|prompt_file|session|model)\}")


@dataclass(frozen=True)
class Invocation:
    """What is to be executed; `stdin` None means /dev/null."""

    argv: tuple[str, ...]
    stdin: Path | None = None


@dataclass(frozen=True)
class Runtime:
    """One kind of agent CLI.

    `model` and `resume` are the fragments that stand in `argv` for `{model}` and `{resume}`;
    `resume` None means that the CLI keeps no sessions. `env` is given to every process of it,
    beneath what the user's own configuration says.
    """

    name: str
    argv: tuple[str, ...]
    prompt: PromptBy = "stdin"
    model: tuple[str, ...] = ()
    resume: tuple[str, ...] | None = None
    reader: str = "text"
    default_model: str | None = None
    install: str = ""
    env: Mapping[str, str] = field(default_factory=dict)

    def invocation(
        self, prompt_file: Path, prompt: str, session: str | None = None, model: str | None = None
    ) -> Invocation:
        """The command for one round; `prompt_file` holds the same text as `prompt`.

        What cannot be an argument (too long, or with a NUL) is replaced by a pointer to the file.
        """
        values = {
            "prompt": prompt,
            "prompt_file": str(prompt_file),
            "session": session or "",
            "model": model or self.default_model or "",
        }
        argv = self._filled(values)
        if any(not _fits(argument) for argument in argv):
            pointer = f"Read the file {prompt_file} and do what it says."
            argv = self._filled({**values, "prompt": pointer})
        return Invocation(argv, prompt_file if self.prompt == "stdin" else None)

    def _filled(self, values: Mapping[str, str]) -> tuple[str, ...]:
        fragments = {
            "{model}": self.model if values["model"] else (),
            "{resume}": (self.resume or ()) if values["session"] else (),
        }
        template = [part for element in self.argv for part in fragments.get(element, (element,))]
        # One pass: a placeholder inside a value (a prompt that quotes one) stays as it is.
        return tuple(_PLACEHOLDER.sub(lambda m: values[m[1]], part) for part in template)


def executable(runtime: Runtime, path: str, cwd: Path | None = None) -> str | None:
    """Where the runtime's program is on that PATH, or None.

    A program with a slash is not looked up; a relative one is taken from `cwd`, as it will run.
    """
    program = runtime.argv[0]
    if cwd is not None and "/" in program:
        program = str(cwd / program)
    return shutil.which(program, path=path)


def _fits(argument: str) -> bool:
    encoded = argument.encode("utf-8", "surrogateescape")
    return len(encoded) <= ARGUMENT_LIMIT and b"\0" not in encoded


def _words(command: str) -> tuple[str, ...]:
    return tuple(shlex.split(command))


def _npm(package: str) -> str:
    return f"npm install -g {package}"


# No login shell: codex runs commands in one, and Debian's /etc/profile then replaces PATH, so that
# the agent's `tt` is not found (seen with 0.169.0).
_CODEX = (
    "codex exec --json --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox"
    " -c allow_login_shell=false"
)
_MODEL = ("--model", "{model}")
_RESUME = ("--resume", "{session}")

_PRESETS = (
    Runtime(
        name="claude",
        argv=_words(
            "claude --print --output-format stream-json --verbose"
            " --dangerously-skip-permissions {model} {resume}"
        ),
        model=_MODEL,
        resume=_RESUME,
        reader="claude",
        install=_npm("@anthropic-ai/claude-code"),
        # Its own retries can go on for minutes; the town has holds for that.
        env={"CLAUDE_CODE_MAX_RETRIES": "3"},
    ),
    Runtime(
        name="auggie",
        argv=_words(
            "auggie --print --quiet --output-format json --instruction-file {prompt_file}"
            " {model} {resume}"
        ),
        prompt="file",
        model=_MODEL,
        resume=_RESUME,
        reader="auggie",
        install=_npm("@augmentcode/auggie"),
    ),
    Runtime(
        name="codex",
        argv=_words(_CODEX + " {model} {resume} -"),
        model=("-m", "{model}"),
        resume=("resume", "{session}"),
        reader="codex",
        install=_npm("@openai/codex"),
    ),
    Runtime(
        name="codex-mini",
        argv=_words(_CODEX + """ {model} -c 'model_reasoning_effort="medium"' {resume} -"""),
        model=("-m", "{model}"),
        default_model="gpt-5.4-mini",
        resume=("resume", "{session}"),
        reader="codex",
        install=_npm("@openai/codex"),
    ),
    Runtime(
        name="gemini",
        argv=_words(
            "gemini -o stream-json --approval-mode yolo --skip-trust {model} {resume} -p {prompt}"
        ),
        prompt="argument",
        model=_MODEL,
        resume=_RESUME,
        reader="gemini",
        install=_npm("@google/gemini-cli"),
    ),
    Runtime(
        name="copilot",
        argv=_words(
            "copilot -p {prompt} --allow-all-tools --no-ask-user --no-auto-update"
            " --output-format json {model} {resume}"
        ),
        prompt="argument",
        model=_MODEL,
        resume=("--resume={session}",),
        reader="copilot",
        install=_npm("@github/copilot"),
    ),
    Runtime(
        name="cursor",
        argv=_words(
            "cursor-agent -p --output-format stream-json --force --trust {model} {resume} {prompt}"
        ),
        prompt="argument",
        model=_MODEL,
        resume=_RESUME,
        reader="claude",
        install="see https://cursor.com/cli for cursor-agent",
    ),
    Runtime(
        name="aider",
        argv=_words(
            "aider --message-file {prompt_file} --yes-always --no-stream --no-auto-commits {model}"
        ),
        prompt="file",
        model=_MODEL,
        reader="aider",
        install="pipx install aider-chat",
    ),
    Runtime(
        name="opencode",
        argv=_words("opencode run --format json --auto {model} {resume} {prompt}"),
        prompt="argument",
        model=_MODEL,
        resume=("-s", "{session}"),
        reader="opencode",
        install=_npm("opencode-ai"),
    ),
    # The prompt is the task's `run` text. As a file it has no length limit.
    Runtime(name="shell", argv=("/bin/sh", "{prompt_file}"), prompt="file"),
    Runtime(
        name="rehearsal",
        argv=(
            *(sys.executable, "-I", str(Path(__file__).with_name("rehearsal.py"))),
            *("{model}", "{resume}"),
        ),
        model=_MODEL,
        resume=_RESUME,
        reader="claude",
    ),
)

PRESETS: Mapping[str, Runtime] = MappingProxyType({preset.name: preset for preset in _PRESETS})
