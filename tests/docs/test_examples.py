"""Every example of the pages is run, page by page, or says in the page why it is not."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.examples import MARK, Block, blocks, missing, script
from tests.docs.pages import PAGES, ROOT
from tests.docs.stages import STAGES, TEAM
from tests.docs.test_docs import TREE
from tests.e2e.town import CONFIG, SCRIPTED, Home
from tests.external import external
from tinytownd.runtimes.catalogue import PRESETS

#: Pages whose examples other tests run: those tests, in which more is said of what must come out.
ELSEWHERE = {
    "docs/tutorial.md": "tests/e2e/test_e2e_tutorial.py",
    "docs/python-api.md": "tests/api/test_docs_examples.py",
}
FOUND = {
    str(file.relative_to(ROOT)): found
    for file in PAGES
    if (found := blocks(file.read_text(encoding="utf-8")))
}
RUN = {
    name: found
    for name, found in FOUND.items()
    if name not in ELSEWHERE and not all(one.why_not or one.kind == "file" for one in found)
}
#: Pages that make their own town; the others take one with a team for granted.
FROM_NOTHING = re.compile(r"README|docs/(how-to|tutorial|migrate-from)")
REDIS_PAGE = "docs/how-to/external-redis.md"
REFERENCE = [name for name in RUN if name.startswith("docs/commands/")]
#: Seconds; no page takes so long.
PATIENCE = 180
CLIS = ("claude", "codex", "codex-mini", "auggie")
#: The product's own attempts, which pages show; the rest is the tests' home.
BASE = CONFIG.replace("attempts = 1\n", "")


def clis(command: str, reader: str) -> str:
    """Tables that have that program play the CLIs that pages name."""
    table = f'command = {command}\nreader = "{reader}"\nprompt = "stdin"\n'
    return "".join(f"\n[agent_clis.{cli}]\n{table}" for cli in CLIS)


def played() -> str:
    """A home in which everybody is played by a rehearsal."""
    argv = [word for word in PRESETS["rehearsal"].argv if not word.startswith("{")]
    own = BASE.replace('default_cli = "scripted"', 'default_cli = "claude"')
    return own + clis(json.dumps(argv), "claude")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One home for the reference pages; their agents do what `stages` has them do."""
    home = Home(tmp_path_factory.mktemp("examples") / "home", BASE + clis(SCRIPTED, "text"))
    yield home
    home.end()


@pytest.fixture(scope="module")
def rehearsing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One home for the other pages; they make their own towns, some restart its daemon."""
    home = Home(tmp_path_factory.mktemp("rehearsing") / "home", played())
    yield home
    home.end()


def play(home: Home, found: list[Block], directory: Path, stage: str = "") -> None:
    """Runs a page, and compares what it prints with what it shows."""
    directory.mkdir(exist_ok=True)
    before = f"{{ set -e\n{textwrap.dedent(stage)}\n}} >&2\n" if stage.strip() else ""
    done = subprocess.run(
        ["bash", "-c", before + script(found)], cwd=directory, env=home.env, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    (directory / "everybody-go").touch()
    told = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{home.log()}"
    assert done.returncode == 0, told
    printed = done.stdout.split(f"{MARK}\n")[1::2]
    examples = [one for block in found if not block.why_not for one in block.examples]
    for (command, shown), output in zip(examples, printed, strict=True):
        line = missing(shown, output.splitlines())
        assert not line, f"{command} does not print {line!r} but:\n{output}"


@pytest.mark.parametrize("name", REFERENCE)
def test_a_reference_page(name: str, shared: Home, tmp_path: Path) -> None:
    word, directory = Path(name).stem, tmp_path / "demo"
    if word != "init":
        town = shared.town(directory)
        for agent in () if word in STAGES else TEAM:
            town.quick("spawn", agent, "--cli", "claude")
    play(shared, RUN[name], directory, STAGES.get(word, ""))


@pytest.mark.parametrize("name", sorted({*RUN} - {*REFERENCE} - {REDIS_PAGE}))
def test_another_page(name: str, rehearsing: Home, tmp_path: Path) -> None:
    team = "".join(f"tt spawn {agent}\n" for agent in TEAM)
    stage = "" if FROM_NOTHING.match(name) else f"tt init --name demo\n{team}"
    play(rehearsing, RUN[name], tmp_path / "demo", stage)


def test_the_page_about_another_redis(tmp_path: Path) -> None:
    with external(tmp_path / "redis") as server, contextlib.ExitStack() as ends:
        home = Home(tmp_path / "home", played())
        ends.callback(home.end)
        url = server.url(server.admin, server.password)
        play(home, RUN[REDIS_PAGE], tmp_path / "demo", f"tt config redis.url {url}")
        assert server.say("DBSIZE")


def test_what_is_run_elsewhere_is() -> None:
    for name, test in ELSEWHERE.items():
        assert Path(name).name in (ROOT / test).read_text(encoding="utf-8")
        assert name in FOUND


def kept_from_running() -> list[tuple[str, Block]]:
    return [(name, one) for name, found in FOUND.items() for one in found if one.why_not]


@pytest.mark.parametrize(
    ("name", "block"), kept_from_running(), ids=lambda it: getattr(it, "why_not", it)
)
def test_what_is_not_run_says_why_and_is_sound(name: str, block: Block) -> None:
    assert len(block.why_not.split()) >= 2
    if block.kind == "shell":
        checked = subprocess.run(
            ["bash", "-n"], input=block.text, text=True, capture_output=True, check=False
        )
        assert checked.returncode == 0, checked.stderr
    for words in (words for words in block.commands if not words[1].startswith("-")):
        depth = 2 if f"tt {' '.join(words[1:3])}" in TREE else 1
        command = TREE[f"tt {' '.join(words[1 : depth + 1])}"]
        command.make_context(name, words[depth + 1 :], resilient_parsing=False)


def test_a_page_is_read_in_its_order() -> None:
    text = """Text

<!-- file: a/b.toml -->
```toml
x = 1
```

<!-- not run: needs a machine -->
```bash
false
```

    $ tt list
    name
    $ tt send a "b"

- a list

    with a paragraph

```python
print(1)
```
"""
    file, skipped, shown, program = blocks(text)
    assert (program.kind, program.text) == ("python", "print(1)\n")
    assert "print(1)\nEND OF FILE\npython example.py" in script([program])
    assert (file.kind, file.name, file.text, file.line) == ("file", "a/b.toml", "x = 1\n", 4)
    assert (skipped.kind, skipped.why_not) == ("shell", "needs a machine")
    assert shown.examples == [("tt list", ["name"]), ('tt send a "b"', [])]
    assert shown.commands == [["tt", "list"], ["tt", "send", "a", "b"]]
    assert "false" not in script([file, skipped, shown])


def test_a_line_that_is_not_printed_is_told() -> None:
    printed = ["a  2 s ago", "b"]
    assert missing(["a 13 s ago", "b"], printed) == ""
    assert missing(["b", "a 1 s ago"], printed) == "a 1 s ago"


#: How shell begins; a reference page shows first how its command is typed.
LANGUAGES = {"bash", "sh", "python", "toml", "json", "text", "mermaid"}
SHELL = re.compile(r"^ {4}(\$|tt|make|sudo|systemctl|journalctl|launchctl|git|pip|docker) ")


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_example_is_overlooked(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    found = {line for one in blocks(text) for line in one.text.splitlines()}
    bare = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    shell = [line.strip() for line in bare.splitlines() if SHELL.match(line)]
    usage = 1 if file.parent.name == "commands" else 0
    assert [line for line in shell[usage:] if line not in found] == []
    assert set(re.findall(r"^```(\w+)$", text, re.MULTILINE)) <= LANGUAGES
