"""Each program of docs/python-api.md, as it stands there, in a town of its own."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.town import CONFIG, SCRIPTED, Home
from tinytownd.runtimes.catalogue import PRESETS

PAGE = (Path(__file__).parents[2] / "docs" / "python-api.md").read_text(encoding="utf-8")
#: The heading over each program, and the program.
PROGRAMS = {
    re.findall(r"^#+ (.+)$", PAGE[: found.start()], re.MULTILINE)[-1]: found[1]
    for found in re.finditer(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
#: What each prints, whatever its agents say.
PRINTS = {
    "The Python API": r".+",
    "Sequential": r"t1 completed\nt2 completed",
    "Parallel": r"(?s)(?=.*backend is done: )(?=.*frontend is done: ).+",
    "Fan-out, fan-in": r".+",
    "Review": r"No agreement after 3 attempts",
    "Messages": r"person → developer acknowledged\n"
    r"developer → conductor Which database\?\nperson → developer SQLite will do",
    "A plan": r"(?s).* plan\.completed \ncompleted \[\('design', 'completed'\), \('build', 'comp.+",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home in which rehearsal programs play the CLIs that the page names."""
    argv = [word for word in PRESETS["rehearsal"].argv if not word.startswith("{")]
    table = f'command = {json.dumps(argv)}\nreader = "claude"\n'
    played = "".join(f"\n[agent_clis.{cli}]\n{table}" for cli in ("claude", "codex", "auggie"))
    home = Home(tmp_path_factory.mktemp("examples") / "home", CONFIG + played)
    yield home
    home.end()


def test_all_patterns_are_shown() -> None:
    assert list(PROGRAMS) == list(PRINTS)


def test_a_review_ends_when_the_reviewer_agrees(
    make_home: Callable[..., Home], tmp_path: Path
) -> None:
    played = "".join(f"\n[agent_clis.{cli}]\ncommand = {SCRIPTED}\n" for cli in ("claude", "codex"))
    town = make_home(played).town(tmp_path / "town")
    draft, better = ["say the draft"], ["say what it is now"]
    reviews = [["the draft", ["say Rename it"]], ["what it is now", ["say OK"]]]
    works = [["Build the login", draft], ["wants this changed:\n\nRename it", better]]
    town.write("developer.rules", json.dumps(works))
    town.write("reviewer.rules", json.dumps(reviews))
    file = town.write("example.py", PROGRAMS["Review"])
    done = town.home.run(sys.executable, "-W", "error", str(file), cwd=town.directory)
    assert (done.code, done.err, done.out.strip()) == (0, "", "what it is now")
    assert [one["agent"] for one in town.rounds()] == ["developer", "reviewer"] * 2


@pytest.mark.parametrize("pattern", PROGRAMS)
def test_an_example_runs(pattern: str, home: Home, tmp_path: Path) -> None:
    town = home.town(tmp_path / "town")
    file = town.write("example.py", PROGRAMS[pattern])
    done = home.run(sys.executable, "-W", "error", str(file), cwd=town.directory)
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(PRINTS[pattern], done.out.strip(), re.DOTALL), done.out
    assert set(town.states().values()) <= {"completed"}
