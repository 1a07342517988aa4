"""`completion`: the script that teaches a shell what can be typed after `tt`.

The scripts only pass on what was typed, and show what `tt __complete` answers (see `candidates`).
Typer has scripts of its own; they pass the line through `eval`, and names here are other people's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from tinytown_cli import output, whereabouts
from tinytown_cli.command import verb

# bash 3.2, which macOS has, knows neither mapfile nor compopt.
_BASH = r"""# bash completion for tt: eval "$(tt completion bash)"
_tt() {
    local line kind=
    COMPREPLY=()
    while IFS= read -r line; do
        if [ -z "$kind" ]; then kind=$line; else COMPREPLY[${#COMPREPLY[@]}]=$line; fi
    done < <(tt __complete bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
    case $kind in
        files) compopt -o default 2>/dev/null ;;
        directories) compopt -o dirnames 2>/dev/null ;;
    esac
}
complete -F _tt tt
"""
_ZSH = r"""#compdef tt
# zsh completion for tt, as a file _tt in $fpath, or: source <(tt completion zsh)
_tt() {
    local -a answer names shown
    local line
    answer=("${(@f)$(tt __complete zsh "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    case $answer[1] in
        files) _files; return ;;
        directories) _files -/; return ;;
    esac
    shift answer
    for line in "${(@)answer}"; do
        names+=("${line%%$'\t'*}")
        shown+=("${line/$'\t'/  -- }")
    done
    (( $#names )) && compadd -l -d shown -a names
}
if [[ $funcstack[1] = _tt ]]; then _tt "$@"; else compdef _tt tt; fi
"""
_FISH = r"""# fish completion for tt: tt completion fish | source
function __tt_complete
    set -l before (commandline -opc)
    set -l word (commandline -ct)
    set -l plain (string unescape -- $word; or printf '%s\n' $word)
    set -l answer (tt __complete fish $before[2..-1] "$plain" 2>/dev/null)
    switch "$answer[1]"
        case files
            __fish_complete_path $word
        case directories
            __fish_complete_directories $word
        case '*'
            set -q answer[2]; and printf '%s\n' $answer[2..-1]
    end
end
complete -c tt -f -a '(__tt_complete)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
#: Where each shell looks by itself, below a directory of the user's (XDG Base Directories).
_PLACES = {
    "bash": ("XDG_DATA_HOME", ".local/share", "bash-completion/completions/tt"),
    "zsh": ("XDG_DATA_HOME", ".local/share", "zsh/site-functions/_tt"),
    "fish": ("XDG_CONFIG_HOME", ".config", "fish/completions/tt.fish"),
}
_NEXT = {
    "bash": "New shells have it, if they load bash-completion",
    "zsh": "In ~/.zshrc, before compinit: fpath=({directory} $fpath)",
    "fish": "New shells have it",
}


@verb("completion", example='eval "$(tt completion bash)"\ntt completion zsh --install')
def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL", help="bash, zsh or fish.")
    ],
    install: Annotated[
        bool, typer.Option("--install", help="Write it to where the shell looks for it.")
    ] = False,
) -> None:
    """Print what makes a shell complete commands, names and ids."""
    script = SCRIPTS[shell]
    if not install:
        output.show({"shell": shell, "script": script}, [script.rstrip("\n")])
        return
    file = _place(shell)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(script, encoding="utf-8")
    said = [f"Wrote {file}", _NEXT[shell].format(directory=file.parent)]
    output.show({"shell": shell, "path": str(file)}, said)


def _place(shell: str) -> Path:
    variable, usual, name = _PLACES[shell]
    base = os.environ.get(variable)
    return Path(base or whereabouts.absolute(f"~/{usual}")) / name
