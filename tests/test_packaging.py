"""The wheel that would be published, and what must never be in a tracked file."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from configparser import ConfigParser
from email.parser import Parser
from pathlib import Path

import pytest

import tinytownd

ROOT = Path(__file__).resolve().parent.parent
VERSION = tinytownd.__version__
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

#: What `tests/install` installs the wheel with, as far as it finds them.
PYTHONS = ["3.11", "3.12", "3.13"]
PACKAGE_INDEX = re.compile(
    r"--(?:extra-)?index-url|--find-links|--trusted-host|/simple/?$", re.MULTILINE
)
# Someone's home directory, as a path of one machine has it. /root and the like need no name.
MACHINE_PATH = re.compile(r"(?<![\w.~}$-])/(?:home/(?!me/|USER/)|Users/(?!me/)|root/|work/)[\w.-]+")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built by the backend itself: no isolated environment, no network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    done = subprocess.run(
        [*command, folder], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def sources(folder: str) -> set[str]:
    """Every file of a package as the wheel should name it."""
    files = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}


def known(*which: str) -> set[str]:
    """The names of files that are there and of which git knows."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *which],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


def tracked() -> list[Path]:
    """The files that git tracks, or would if they were added."""
    return sorted(ROOT / name for name in known("--cached", "--others", "--exclude-standard"))


def offences(pattern: re.Pattern[str]) -> list[str]:
    """`path:line: what` for each place where a tracked text file has what it must not."""
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        name = path.relative_to(ROOT)
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{name}:{line}: {match.group()}")
    return [place for place in found if not place.startswith("tests/test_packaging.py:")]


def test_the_wheel_has_both_packages_whole(wheel: zipfile.ZipFile) -> None:
    expected = sources("tinytownd") | sources("tinytown_cli")
    assert expected <= set(wheel.namelist())


def test_the_wheel_has_the_scripts_of_the_store(wheel: zipfile.ZipFile) -> None:
    scripts = [
        name
        for name in wheel.namelist()
        if name.startswith("tinytownd/store/scripts/") and name.endswith(".lua")
    ]
    assert scripts


def test_the_wheel_has_the_rehearsal_and_the_service_files(wheel: zipfile.ZipFile) -> None:
    share = f"tinytown-{VERSION}.data/data/share/tinytown"
    assert {
        "tinytownd/runtimes/rehearsal.py",
        f"{share}/tinytownd.service",
        f"{share}/io.tinytown.tinytownd.plist",
    } <= set(wheel.namelist())


def test_the_wheel_installs_the_two_programs_from_modules_it_has(wheel: zipfile.ZipFile) -> None:
    (listed,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    parser = ConfigParser()
    parser.read_string(wheel.read(listed).decode())
    programs = dict(parser["console_scripts"])
    assert set(programs) == {"tinytownd", "tt"}
    for target in programs.values():
        module, _, function = target.partition(":")
        source = wheel.read(module.replace(".", "/") + ".py").decode()
        assert f"def {function}(" in source


def test_the_version_is_written_once(wheel: zipfile.ZipFile) -> None:
    (listed,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    metadata = Parser().parsestr(wheel.read(listed).decode())
    assert metadata["Version"] == VERSION
    assert "version" not in PROJECT
    written = [
        name
        for name in wheel.namelist()
        if name.endswith(".py")
        and re.search(r'^__version__ = "', wheel.read(name).decode(), re.MULTILINE)
    ]
    assert written == ["tinytownd/__init__.py"]


def test_the_metadata_name_the_pythons_that_are_tried(wheel: zipfile.ZipFile) -> None:
    (listed,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    metadata = Parser().parsestr(wheel.read(listed).decode())
    pythons = re.findall(
        r":: (3\.\d+)$", "\n".join(metadata.get_all("Classifier", [])), re.MULTILINE
    )
    assert pythons == PYTHONS
    assert metadata["Requires-Python"] == f">={pythons[0]}"
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("License-File") == ["LICENSE"]


def test_the_sdist_has_every_tracked_file_and_no_stray_one(tmp_path: Path) -> None:
    """What git ignores or nobody has told it of may lie about in a working tree."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory"]
    subprocess.run([*command, tmp_path], cwd=ROOT, check=True, capture_output=True, timeout=60)
    (built,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()} - {"PKG-INFO"}
    assert known("--cached") <= packed
    assert packed <= known("--cached", "--others", "--exclude-standard")


def test_the_changelog_keeps_to_its_form() -> None:
    """Keep a Changelog 1.1.0: newest first, days as in ISO 8601, six kinds of changes."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert releases.pop(0) == "[Unreleased]"
    dated = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - \d{4}-\d\d-\d\d", one) for one in releases]
    numbers = [tuple(map(int, one.groups())) for one in dated if one]
    assert len(numbers) == len(releases)
    assert numbers == sorted(numbers, reverse=True)
    assert all(number <= tuple(map(int, VERSION.split("."))) for number in numbers)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= kinds
    body = text[text.index("## [Unreleased]") :].splitlines()
    assert {line[:2] for line in body if line} <= {"##", "- ", "  "}


@pytest.mark.parametrize("name", ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_the_pages_at_the_top_name_what_is_there(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    files = [link for link in links if "://" not in link]
    files += [
        path for path in re.findall(r"`([\w/.-]+)`", text) if "/" in path and "NAME" not in path
    ]
    assert [file for file in files if not (ROOT / file).exists()] == []
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z0-9-]+)", text)) <= targets | {"a"}


def test_every_requirement_has_an_exact_constraint() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    pinned = {pin.partition("==")[0].lower() for pin in pins}
    required = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
    assert {re.split(r"[^\w-]", line)[0] for line in required} <= pinned


def test_no_tracked_file_names_a_package_index_or_a_home() -> None:
    assert offences(PACKAGE_INDEX) == []
    assert offences(MACHINE_PATH) == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (PACKAGE_INDEX, "--extra-index-url file:///srv/simple"),
        (PACKAGE_INDEX, "https://mirror.example/simple/"),
        (MACHINE_PATH, "see /home/ann/project"),
        (MACHINE_PATH, 'cwd="/{}/.cache/x"'.format("root")),
        (MACHINE_PATH, "file:///Users/ann/x"),
    ],
)
def test_such_a_name_would_be_seen(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)
