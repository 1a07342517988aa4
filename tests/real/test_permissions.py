"""What the real claude and the real codex let an agent do in each permission mode.

The scripted model tries everything in every mode; what came of it is on the disk and in the town.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.model_api import ModelApi
from tests.real.test_pipeline import made
from tests.real.town import RealTown

pytestmark = pytest.mark.real
every_cli = pytest.mark.parametrize("cli", ["claude", "codex", "codex-mini"])

# Left by a tool for files, or by a command; the town's own files stand for the agent's next mode.
EDITS = {"town/written", "town/touched", "town/copied"}
BEYOND = {
    *("outside/written", "outside/touched", "outside/copied"),
    *("town/.tt/written", "town/.tt/touched", "town/tinytown.toml"),
}
LEFT = {"bypass": EDITS | BEYOND, "edit": EDITS, "read": set()}
ALLOWED_BY_THE_USER = {
    ".codex/config.toml": 'sandbox_mode = "danger-full-access"\n',
    ".claude/settings.json": '{"permissions": {"allow": ["Edit", "Write", "NotebookEdit"],'
    ' "defaultMode": "bypassPermissions"}}',
}


def attempts(root: Path) -> str:
    """The text of a task that tries to change files, in the town and around it."""
    town, outside = root / "town", root / "outside"
    return "\n".join(
        [
            "Try what you may do.",
            f"Then write: {town}/written",
            f"Then write: {outside}/written",
            f"Then write: {town}/.tt/written",
            "Then run: touch touched",
            "Then run: cp tasks.txt copied",
            f"Then run: touch {outside}/touched",
            f"Then run: cp tasks.txt {outside}/copied",
            "Then run: touch .tt/touched",
            "Then run: echo '# changed' >> tinytown.toml",
        ]
    )


def left(root: Path) -> set[str]:
    """Which of the attempts had their way; clears away what they left."""
    settings = root / "town" / "tinytown.toml"
    found = {one for one in EDITS | BEYOND if (root / one).exists()} - {"town/tinytown.toml"}
    for one in found:
        (root / one).unlink()
    if "# changed" in settings.read_text():
        settings.write_text(settings.read_text().replace("# changed\n", ""))
        found.add("town/tinytown.toml")
    return found


@pytest.fixture
def root(town: RealTown) -> Path:
    """The directory with `town` and `outside` in it."""
    (town.directory / "tasks.txt").write_text("a file to copy\n")
    (town.directory.parent / "outside").mkdir()
    return town.directory.parent


def try_everything(town: RealTown, root: Path, agent: str = "developer") -> set[str]:
    """A round that tries everything and completes its task with `tt`; what it could change."""
    task = town.ask("assign", agent, attempts(root))["id"]
    town.tt("wait", "--all")
    assert made(town.task(task)["result"])
    assert town.task(task)["attempts"] == 1
    assert town.rounds()[-1]["outcome"] == "completed"
    return left(root)


@every_cli
@pytest.mark.parametrize("mode", LEFT)
def test_what_a_mode_lets_an_agent_do(
    town: RealTown, api: ModelApi, root: Path, cli: str, mode: str
) -> None:
    town.tt("spawn", "developer", "--cli", cli, "--permissions", mode)

    assert try_everything(town, root) == LEFT[mode]

    # What is refused is refused at once: each attempt, the command and the last words.
    assert len(api.model_requests) == attempts(root).count("Then ") + 2


@every_cli
def test_the_towns_mode_counts_from_the_next_round_of_the_session(
    town: RealTown, root: Path, cli: str
) -> None:
    town.tt("spawn", "developer", "--cli", cli)
    found = []
    for mode in ("bypass", "read", "edit"):
        town.tt("config", "town.permissions", mode)
        found.append(try_everything(town, root))

    assert found == [LEFT["bypass"], LEFT["read"], LEFT["edit"]]


@every_cli
@pytest.mark.parametrize("mode", ["edit", "read"])
def test_the_users_own_settings_of_the_cli_do_not_undo_a_mode(
    town: RealTown, root: Path, cli: str, mode: str
) -> None:
    for name, text in ALLOWED_BY_THE_USER.items():
        file = Path(town.env["HOME"]) / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text + (file.read_text() if file.exists() else ""))
    town.tt("spawn", "developer", "--cli", cli, "--permissions", mode)

    # Rules that allow more are the user's word: claude's `edit` then reaches beyond the town.
    beyond = {"outside/written"} if (cli, mode) == ("claude", "edit") else set()
    assert try_everything(town, root) - beyond == LEFT[mode]
