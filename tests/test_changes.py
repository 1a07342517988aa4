"""What changed since a commit: told within bounds, and without running what a repository names."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tinytownd import changes

PERSON = {
    **{f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_CONFIG_GLOBAL": os.devnull,
}


def git(directory: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=directory, check=True, env=os.environ | PERSON)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two files and a commit."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "app.py").write_text("one\n")
    (tmp_path / "docs" / "app.md").write_text("eins\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "begin")
    return tmp_path


def base(directory: Path) -> str:
    found = changes.commit(directory)
    assert found is not None
    return found


def test_what_is_changed_added_committed_and_removed(repository: Path) -> None:
    begun = base(repository)
    assert changes.since(repository, begun) == ""
    (repository / "app.py").write_text("two\n")
    (repository / "committed.py").write_text("three\n")
    git(repository, "add", "committed.py")
    git(repository, "commit", "-qm", "more")
    (repository / "staged.py").write_text("four\n")
    git(repository, "add", "staged.py")
    (repository / "docs" / "app.md").unlink()
    (repository / "new ü.py").write_text("five\n")
    (repository / ".gitignore").write_text("ignored\n")
    (repository / "ignored").write_text("six\n")
    told = changes.since(repository, begun)
    for part in ("-one\n+two\n", "+three\n", "+four\n", "deleted file mode", "-eins\n"):
        assert part in told
    assert told.endswith("New files:\n  .gitignore\n  new ü.py")
    assert "six" not in told
    assert changes.commit(repository) != begun


def test_a_town_below_the_top_sees_its_own_directory(repository: Path) -> None:
    docs = repository / "docs"
    begun = base(docs)
    (repository / "app.py").write_text("two\n")
    (docs / "app.md").write_text("zwei\n")
    (docs / "new.md").write_text("neu\n")
    told = changes.since(docs, begun)
    assert told.startswith("diff --git a/app.md b/app.md\n")
    assert told.endswith("-eins\n+zwei\nNew files:\n  new.md")


def test_a_worktree_is_a_repository(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tree = tmp_path_factory.mktemp("trees") / "tree"
    git(repository, "worktree", "add", "-q", str(tree))
    begun = base(tree)
    (tree / "app.py").write_text("two\n")
    assert "-one\n+two" in changes.since(tree, begun)


def _same_second(repository: Path) -> bool:
    """Whether a file was changed, and not its size, in the second in which it was added."""
    git(repository, "add", "app.py")
    added = (repository / "app.py").stat()
    (repository / "app.py").write_text("two\n")
    changed = (repository / "app.py").stat()
    return int(added.st_ctime) == int(changed.st_ctime) == int(added.st_mtime)


def test_a_change_in_the_second_of_the_commit_is_seen(repository: Path) -> None:
    begun = base(repository)
    app = repository / "app.py"
    until = time.monotonic() + 10
    while True:
        app.write_text("one\n")
        if _same_second(repository):
            break
        assert time.monotonic() < until
    second = int(app.stat().st_mtime)
    index = repository / ".git" / "index"
    os.utime(index, (second, second))  # as it was written: git looks closer at what is as new
    while int(time.time()) <= second:
        assert time.monotonic() < until
    assert "-one\n+two" in changes.since(repository, begun)


def test_it_is_cut(repository: Path) -> None:
    begun = base(repository)
    (repository / "app.py").write_text("ü" * 500_000)
    for number in range(changes.MOST_NAMES + 7):
        (repository / f"new{number:03}").touch()
    told = changes.since(repository, begun)
    assert "\n… (cut after 16,000 characters)\nNew files:\n  new000\n" in told
    assert told.endswith("\n  … and 7 more")
    assert len(told) < changes.DIFF_LIMIT + 2_000


def test_nothing_is_run_that_the_repository_names(repository: Path) -> None:
    begun = base(repository)
    (repository / ".gitattributes").write_text("* filter=evil diff=evil\n")
    (repository / ".git" / "info").mkdir(exist_ok=True)
    (repository / ".git" / "info" / "attributes").write_text("* filter=evil diff=evil\n")
    run = f"touch {repository}/evil; cat"
    for key in ("filter.evil.clean", "filter.evil.process", "diff.evil.command"):
        git(repository, "config", key, run)
    for key in ("diff.evil.textconv", "core.fsmonitor", "diff.external", "core.pager"):
        git(repository, "config", key, run)
    (repository / "app.py").write_text("two\n")
    subprocess.run(["git", "diff"], cwd=repository, check=False, capture_output=True)
    assert (repository / "evil").exists(), "git itself does run it"
    (repository / "evil").unlink()
    assert "-one\n+two" in changes.since(repository, begun)
    assert not (repository / "evil").exists()


def test_where_there_is_nothing_to_compare_with(tmp_path: Path, repository: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    git(bare, "init", "-q")
    assert changes.commit(bare) is None, "no commit yet"
    assert changes.commit(Path("/")) is None, "no repository"
    assert changes.commit(tmp_path / "gone") is None
    assert changes.since(tmp_path / "gone", "0" * 40) == ""


def test_without_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = base(repository)
    monkeypatch.setenv("PATH", str(repository))
    assert changes.commit(repository) is None
    assert changes.since(repository, begun) == ""


def test_one_that_hangs_is_given_up(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexec sleep 300\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(changes, "PATIENCE", 0.2)
    assert changes.commit(repository) is None
