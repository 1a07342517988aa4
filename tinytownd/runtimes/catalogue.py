"""How each kind of agent CLI is started, prompted, resumed and read: the catalogue, as data.

An argv is a template. `{prompt}`, `{prompt_file}`, `{session}` and `{model}` are replaced inside
its elements; an element that is just `{permissions}`, `{model}`, `{resume}` or `{context}` stands
for the whole fragment, which is left out when there is no model, session or context. Nothing here
is ever read by a shell. Invocations: `--help` of the CLIs' releases of 2026-11; cursor and aider
from their documentation. What holds a CLI to its permissions is data, too: see `permissions.py`.
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
from typing import Literal, NamedTuple

from tinytownd.domain.errors import BadInput
from tinytownd.runtimes.permissions import CLAUDE, CODEX, COPILOT, GEMINI, UNBOUND, Fragments

# Linux refuses one argument of 128 KiB or more, its closing NUL counted (MAX_ARG_STRLEN).
ARGUMENT_LIMIT = 128 * 1024 - 1

PromptBy = Literal["stdin", "argument", "file"]

_PLACEHOLDER = re.compile(r"\{(prompt|prompt_file|session|model)\}")


class Context(NamedTuple):
    """What a session begins with; the `pointer` stands in where the text cannot be an argument."""

    text: str
    pointer: str


@dataclass(frozen=True)
class Invocation:
    """What is to be executed; `stdin` None means /dev/null."""

    argv: tuple[str, ...]
    stdin: Path | None = None


@dataclass(frozen=True)
class Runtime:
    """One kind of agent CLI.

    `model` and `resume` are the fragments that stand in `argv` for `{model}` and `{resume}`;
    `resume` None means that the CLI keeps no sessions. `permissions` has the fragment of each mode
    that the CLI can be held to. `env` is given to every process of it,
    beneath what the user's own configuration says. `interactive` is the command for a person's
    terminal, () where there is none, and `context` the fragment by which that is told something.
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
    permissions: Fragments = field(default_factory=lambda: UNBOUND)
    interactive: tuple[str, ...] = ()
    context: tuple[str, ...] = ("{prompt}",)

    @property
    def told(self) -> str:
        """It by its name, and by its program's where that is another."""
        program = self.argv[0]
        return f"the CLI '{self.name}'" + (f" ({program})" if program != self.name else "")

    def allowing(self, mode: str) -> tuple[str, ...]:
        """The arguments that hold it to a permission mode; raises `BadInput` for one it lacks."""
        if mode not in self.permissions:
            raise BadInput(
                f"the CLI '{self.name}' cannot be held to the permissions '{mode}'"
                f" (it has {', '.join(self.permissions)})",
                hint=f"choose others, or say how: agent_clis.{self.name}.permissions",
            )
        return self.permissions[mode]

    def invocation(
        self,
        prompt_file: Path,
        prompt: str,
        session: str | None = None,
        model: str | None = None,
        mode: str = "bypass",
    ) -> Invocation:
        """The command for one round; `prompt_file` holds the same text as `prompt`.

        What cannot be an argument (too long, or with a NUL) is replaced by a pointer to the file.
        Raises `BadInput` for a permission mode that it lacks.
        """
        fragments = self._fragments(mode, session, model)
        values = {**self._values(session, model), "prompt_file": str(prompt_file)}
        pointer = f"Read the file {prompt_file} and do what it says."
        argv = _fitting(self.argv, fragments, values, prompt, pointer)
        return Invocation(argv, prompt_file if self.prompt == "stdin" else None)

    def conversation(
        self,
        session: str | None = None,
        model: str | None = None,
        mode: str = "bypass",
        context: Context | None = None,
    ) -> tuple[str, ...]:
        """The command for a person's terminal: a session taken up, or a new one, told something.

        Raises `BadInput` where there is none, and for a permission mode that it lacks.
        """
        if not self.interactive:
            raise BadInput(
                f"the CLI '{self.name}' has no form for a terminal",
                hint=f"if it has one, say so: agent_clis.{self.name}.interactive",
            )
        fragments = self._fragments(mode, session, model)
        fragments["{context}"] = self.context if context else ()
        text, pointer = context or Context("", "")
        return _fitting(self.interactive, fragments, self._values(session, model), text, pointer)

    def _fragments(
        self, mode: str, session: str | None, model: str | None
    ) -> dict[str, tuple[str, ...]]:
        return {
            "{permissions}": self.allowing(mode),
            "{model}": self.model if model or self.default_model else (),
            "{resume}": (self.resume or ()) if session else (),
        }

    def _values(self, session: str | None, model: str | None) -> dict[str, str]:
        return {"session": session or "", "model": model or self.default_model or ""}


def _fitting(
    template: tuple[str, ...],
    fragments: Mapping[str, tuple[str, ...]],
    values: Mapping[str, str],
    prompt: str,
    pointer: str,
) -> tuple[str, ...]:
    """The command with all that belongs into it; the pointer for a prompt that cannot be in it."""
    whole = tuple(part for element in template for part in fragments.get(element, (element,)))
    argv = _filled(whole, {**values, "prompt": prompt})
    if any(not _fits(argument) for argument in argv):
        argv = _filled(whole, {**values, "prompt": pointer})
    return argv


def _filled(template: tuple[str, ...], values: Mapping[str, str]) -> tuple[str, ...]:
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
_CODEX = "codex exec --json --skip-git-repo-check {permissions} -c allow_login_shell=false"
_CODEX_TALK = "codex {permissions} -c allow_login_shell=false"
_CODEX_MEDIUM = "-c 'model_reasoning_effort=\"medium\"'"
_MODEL = ("--model", "{model}")
_RESUME = ("--resume", "{session}")

_PRESETS = (
    Runtime(
        name="claude",
        argv=_words(
            "claude --print --output-format stream-json --verbose {permissions} {model} {resume}"
        ),
        model=_MODEL,
        resume=_RESUME,
        permissions=CLAUDE,
        interactive=_words("claude {permissions} {model} {resume} {context}"),
        context=("--append-system-prompt", "{prompt}"),
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
        interactive=_words("auggie {model} {resume} {context}"),
        reader="auggie",
        install=_npm("@augmentcode/auggie"),
    ),
    Runtime(
        name="codex",
        argv=_words(_CODEX + " {model} {resume} -"),
        interactive=_words(_CODEX_TALK + " {model} {resume} {context}"),
        model=("-m", "{model}"),
        resume=("resume", "{session}"),
        permissions=CODEX,
        reader="codex",
        install=_npm("@openai/codex"),
    ),
    Runtime(
        name="codex-mini",
        argv=_words(f"{_CODEX} {{model}} {_CODEX_MEDIUM} {{resume}} -"),
        interactive=_words(f"{_CODEX_TALK} {{model}} {_CODEX_MEDIUM} {{resume}} {{context}}"),
        model=("-m", "{model}"),
        default_model="gpt-5.4-mini",
        resume=("resume", "{session}"),
        permissions=CODEX,
        reader="codex",
        install=_npm("@openai/codex"),
    ),
    Runtime(
        name="gemini",
        argv=_words(
            "gemini -o stream-json {permissions} --skip-trust {model} {resume} -p {prompt}"
        ),
        prompt="argument",
        model=_MODEL,
        resume=_RESUME,
        permissions=GEMINI,
        interactive=_words("gemini {permissions} --skip-trust {model} {resume} {context}"),
        context=("--prompt-interactive", "{prompt}"),
        reader="gemini",
        install=_npm("@google/gemini-cli"),
    ),
    Runtime(
        name="copilot",
        argv=_words(
            "copilot -p {prompt} {permissions} --no-ask-user --no-auto-update"
            " --output-format json {model} {resume}"
        ),
        prompt="argument",
        model=_MODEL,
        resume=("--resume={session}",),
        permissions=COPILOT,
        interactive=_words("copilot {permissions} --no-auto-update {model} {resume} {context}"),
        context=("--interactive", "{prompt}"),
        reader="copilot",
        install=_npm("@github/copilot"),
    ),
    Runtime(
        name="cursor",
        argv=_words(
            "cursor-agent -p --output-format stream-json {permissions} --trust {model} {resume}"
            " {prompt}"
        ),
        prompt="argument",
        model=_MODEL,
        resume=_RESUME,
        permissions={"bypass": ("--force",)},
        interactive=_words("cursor-agent {permissions} {model} {resume} {context}"),
        reader="claude",
        install="see https://cursor.com/cli for cursor-agent",
    ),
    Runtime(
        name="aider",
        argv=_words(
            "aider --message-file {prompt_file} {permissions} --no-stream --no-auto-commits {model}"
        ),
        prompt="file",
        model=_MODEL,
        permissions={"bypass": ("--yes-always",)},
        reader="aider",
        install="pipx install aider-chat",
    ),
    Runtime(
        name="opencode",
        argv=_words("opencode run --format json {permissions} {model} {resume} {prompt}"),
        prompt="argument",
        model=_MODEL,
        resume=("-s", "{session}"),
        permissions={"bypass": ("--auto",)},
        interactive=_words("opencode {permissions} {model} {resume} {context}"),
        context=("--prompt", "{prompt}"),
        reader="opencode",
        install=_npm("opencode-ai"),
    ),
    # The prompt is the task's `run` text. As a file it has no length limit.
    Runtime(name="shell", argv=("/bin/sh", "{prompt_file}"), prompt="file"),
    Runtime(
        name="rehearsal",
        argv=(
            *(sys.executable, "-I", str(Path(__file__).with_name("rehearsal.py"))),
            *("{permissions}", "{model}", "{resume}"),
        ),
        model=_MODEL,
        resume=_RESUME,
        permissions={"bypass": (), "edit": (), "read": ("--leave-nothing",)},
        reader="claude",
    ),
)

PRESETS: Mapping[str, Runtime] = MappingProxyType({preset.name: preset for preset in _PRESETS})
