"""The container's files: they name what is there, and what they do by hand works."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.install.wheels import ROOT, build, run, worked
from tests.waiting import until
from tinytownd.store.binary import find_binary

BIN = Path(sys.executable).parent
PASSWORD = secrets.token_hex(24)


def instructions() -> list[tuple[str, str]]:
    """The Containerfile's instructions: name and rest, continued lines in one."""
    text = (ROOT / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in found)]


def stages() -> list[list[tuple[str, str]]]:
    """The same, stage by stage."""
    found: list[list[tuple[str, str]]] = []
    for name, rest in instructions():
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


def compose(password: str = PASSWORD) -> dict[str, Any]:
    """compose.yaml as an engine has it after interpolation (docs.docker.com, Interpolation)."""
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    text = text.replace("${TINYTOWN_REDIS_PASSWORD:?}", password)
    text = re.sub(r"\$\{TINYTOWN_PROJECT:-(.*?)\}", r"\1", text)
    # A dollar sign that is left is doubled: it is for the shell in the container.
    assert "$" not in text.replace("$$", "").replace("$(openssl", "")
    loaded: dict[str, Any] = yaml.safe_load(text.replace("$$", "$"))
    return loaded


def test_the_image_builds_the_wheel_from_what_it_copies(tmp_path: Path) -> None:
    tree = tmp_path / "src"
    tree.mkdir()
    for name, rest in stages()[0]:
        if name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                copy(ROOT / source, tree / (source if target == "./" else target))
    assert build(tree, tmp_path / "a").read_bytes() == build(ROOT, tmp_path / "b").read_bytes()


def copy(source: Path, target: Path) -> None:
    """A file or a whole directory."""
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)


def test_the_image_runs_the_daemon_as_an_ordinary_user() -> None:
    settled = dict(stages()[-1])
    assert settled["ENTRYPOINT"] == '["tinytownd"]'
    assert settled["STOPSIGNAL"] == "SIGTERM"
    assert settled["USER"] == "town"
    assert settled["ENV"] == f"TINYTOWN_HOME={settled['VOLUME']}"
    made = " ".join(rest for name, rest in stages()[-1] if name == "RUN")
    assert f"--owner=town --mode=0700 {settled['VOLUME']}" in made


def test_compose_names_what_it_defines() -> None:
    whole = compose()
    for service in whole["services"].values():
        assert set(service["networks"]) <= {*whole["networks"], "default"}
        named = {volume.partition(":")[0] for volume in service["volumes"]} - {"."}
        assert named <= set(whole["volumes"])
        assert {one["source"] for one in service.get("configs", ())} <= set(whole["configs"])
        assert "ports" not in service
    home = dict(stages()[-1])["VOLUME"]
    assert f"home:{home}" in whole["services"]["tinytown"]["volumes"]


def test_compose_gives_the_daemon_the_rights_of_the_security_page() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    told = re.search(r"ACL SETUSER (tinytown .*)", page)
    assert told is not None
    users = compose("PASSWORD")["configs"]["users"]["content"].splitlines()
    assert f"user {told[1]}" in users


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The port of a server that is started as compose.yaml does it."""
    whole = compose()
    (tmp_path / "users.acl").write_text(whole["configs"]["users"]["content"])
    _, *options = whole["services"]["redis"]["command"]
    options[options.index("--aclfile") + 1] = "users.acl"
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = int(free.getsockname()[1])
    command = [find_binary({}), *options, "--port", str(number), "--bind", "127.0.0.1"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as server:
        yield number
        server.kill()


def test_the_daemon_of_compose_works_with_its_redis(port: int, tmp_path: Path) -> None:
    service = compose()["services"]["tinytown"]
    *shell, script = service["entrypoint"]
    home, town = tmp_path / "home", tmp_path / "town"
    home.mkdir(mode=0o700)
    town.mkdir()
    user = {"HOME": str(home), "TINYTOWN_HOME": str(home), "PATH": f"{BIN}:/usr/bin:/bin"}
    script = script.replace("redis:6379", f"127.0.0.1:{port}")

    def tt(*words: str) -> str:
        return worked(run(BIN / "tt", *words, cwd=town, env=user))

    with subprocess.Popen(
        [*shell, script],
        cwd=town,
        env={**user, **service["environment"]},
        stderr=subprocess.DEVNULL,
    ) as daemon:
        try:
            until((home / "endpoint.json").exists, "the daemon")
            assert (home / "config.toml").stat().st_mode & 0o077 == 0
            environment = Path(f"/proc/{daemon.pid}/environ").read_bytes()
            assert b"TINYTOWN_HOME" in environment
            assert PASSWORD.encode() not in environment
            tt("init")
            assert "(external)" in tt("daemon", "status")
            (redis,) = (
                one for one in json.loads(tt("doctor", "--json")) if one["check"] == "redis"
            )
            assert redis["ok"], redis
            tt("spawn", "a", "--cli", "rehearsal")
            tt("assign", "a", "Write a page")
            tt("wait", "--timeout", "60")
            tt("daemon", "stop", "--kill")
            assert daemon.wait(30) == 0
        finally:
            daemon.terminate()


def engine() -> str:
    """The container engine of this machine; skips the test where none answers."""
    for name in ("podman", "docker"):
        found = shutil.which(name)
        if (
            found
            and not subprocess.run([found, "info"], capture_output=True, check=False).returncode
        ):
            return found
    pytest.skip("no container engine answers: neither podman nor docker")


def test_the_image_can_be_built() -> None:
    command = [engine(), "build", "--quiet", "--file", "Containerfile", "."]
    image = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=600
    ).stdout.strip()
    said = worked(run(engine(), "run", "--rm", image, "--version", cwd=ROOT))
    assert said.startswith("tinytown ")
