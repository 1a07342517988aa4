"""Configuration: what holds, where it comes from, and every way in which it is refused."""

from __future__ import annotations

import asyncio
import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytownd.config import AgentClis, Config, load, load_home
from tinytownd.config_edit import set_value, template
from tinytownd.domain.errors import BadInput, NotFound, TownError
from tinytownd.files import line_of
from tinytownd.settings import KEYS, Scope
from tinytownd.watched import Watched


@dataclass(frozen=True)
class Files:
    home: Path
    town: Path

    def load(self, town: str = "", home: str | None = None) -> Config:
        self.town.write_text(dedent(town))
        if home is not None:
            self.home.write_text(dedent(home))
        return load(self.home, self.town)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    (tmp_path / "my town").mkdir()
    return Files(tmp_path / "config.toml", tmp_path / "my town" / "tinytown.toml")


def test_empty_files_mean_the_defaults(files: Files) -> None:
    config = files.load("", "")
    assert (config.town.name, config.town.default_cli, config.town.max_agents) == (
        "my-town",
        "claude",
        16,
    )
    assert (config.limits.attempts, config.limits.wall_seconds, config.env_file) == (
        3,
        7200.0,
        None,
    )
    assert set(config.origins.values()) == {"default"}
    assert list(config.values) == list(KEYS)


def test_town_overrides_home_key_by_key(files: Files) -> None:
    config = files.load(
        """
        env_file = "secrets.env"
        [town]
        name = "demo"
        max_agents = 3
        [limits]
        silence_seconds = 5
        [env]
        A = "town"
        [agent_clis.mine]
        command = "town-cli"
        """,
        """
        env_file = "home.env"
        [town]
        default_cli = "codex"
        max_agents = 4
        [limits]
        max_rounds = 2
        [env]
        A = "home"
        B = "home"
        [agent_clis.mine]
        command = "home-cli"
        model = "big"
        """,
    )
    assert (config.town.name, config.town.default_cli, config.town.max_agents) == (
        "demo",
        "codex",
        3,
    )
    assert config.limits.silence_seconds == 5.0
    assert isinstance(config.limits.silence_seconds, float)
    assert config.env == {"A": "town", "B": "home"}
    assert config.agent_clis == {"mine": {"command": "town-cli", "model": "big"}}
    assert config.env_file == files.town.parent / "secrets.env"
    rows = {row["key"]: (row["value"], row["origin"]) for row in config.listing()}
    assert rows["town.max_agents"] == (3, "town")
    assert rows["limits.max_rounds"] == (2, "home")
    assert rows["limits.attempts"] == (3, "default")
    assert rows["agent_clis.mine.model"] == ("big", "home")
    assert config.where("agent_clis.mine.model") == f"{files.home}:13"
    assert config.where("town.max_agents") == f"{files.town}:5"
    assert config.where("limits.attempts") == "default"


def test_flat_keys_of_earlier_files(files: Files) -> None:
    config = files.load('name = "old"\ndefault_cli = "auggie"\nmax_agents = 5\n')
    assert (config.town.name, config.town.default_cli, config.town.max_agents) == (
        "old",
        "auggie",
        5,
    )
    assert config.where("town.max_agents").endswith(":3")


def test_home_alone(files: Files) -> None:
    assert load_home(files.home).limits.max_rounds == 8
    files.home.write_text("[limits]\nmax_rounds = 2\n")
    assert load_home(files.home).limits.max_rounds == 2


def test_password_of_a_url_is_not_listed(files: Files) -> None:
    config = files.load("", '[redis]\nurl = "redis://me:secret@host/0"')
    row = next(row for row in config.listing() if row["key"] == "redis.url")
    assert row["value"] == "redis://me:***@host/0"
    assert config.redis.url == "redis://me:secret@host/0"


REFUSED = [
    ("x", 1, "expected '='", ""),
    ("[town]\nname = \n", 2, "not valid TOML: invalid value", "key = value"),
    ("[town]\nname = 'a'\nname = 'b'\n", 3, "cannot overwrite", ""),
    ("a = " + "[" * 5000, 0, "nested too deeply", ""),
    ("[town]\nmax_agent = 1", 2, "unknown key town.max_agent", "town.max_agents"),
    ("\n\n[limit]\nattempts = 1", 3, "unknown key limit", "limits"),
    ("atempts = 1", 1, "unknown key atempts", "limits.attempts"),
    ("zzz = 1", 1, "unknown key zzz", ""),
    ("town = 1", 1, "town must be a table", "[town]"),
    ("env = 1", 1, "env must be a table", "[env]"),
    ("[[limits]]\nattempts = 1", 1, "limits must be a table", "[limits]"),
    ("name = 'a'\n[town]\nname = 'b'", 3, "town.name is given twice", ""),
    ("[town]\n# x\nmax_agents = 0", 3, "a whole number from 1 to 10000, not 0", ""),
    ("[town]\nmax_agents = true", 2, "a whole number from 1 to 10000, not True", ""),
    ("[town]\nmax_agents = 1.5", 2, "not 1.5", ""),
    ("[town]\nmax_agents = '3'", 2, "not '3'", ""),
    ("[town]\nname = 'a b'", 2, "town.name must be a name", ""),
    ("[town]\nname = 1", 2, "town.name must be a name", ""),
    ("[town]\ndefault_cli = ''", 2, "town.default_cli must be a CLI's name", ""),
    ("[limits]\nwall_seconds = nan", 2, "a number from 0.1 to 604800, not nan", ""),
    ("[limits]\nwall_seconds = inf", 2, "not inf", ""),
    ("[limits]\nattempts = [\n1]", 2, "not [1]", ""),
    ("[limits]\nmax_rounds = 2", 2, "belongs in the home's config.toml", ""),
    ("[redis]\nurl = 'redis://x'", 2, "redis.url belongs in the home's config.toml", ""),
    ('env_file = "a\\u0000b"', 1, "env_file must be a string", ""),
    ("[env]\nA = 1", 2, "env.A must be a string, not 1", "in quotes"),
    ("[env]\n'a b' = 'x'", 2, "env.a b is not a name of an environment variable", ""),
    ("[agent_clis]\nmine = 'x'", 2, "agent_clis.mine is not a setting", "command"),
    ("[agent_clis.mine]\n", 1, "agent_clis.mine is not a setting", "command"),
    ("[agent_clis.'a.b']\ncommand = 'x'", 0, "is not a setting of a named CLI", "without dots"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "message", "hint"), REFUSED)
def test_refused_with_line_and_hint(
    files: Files, text: str, line: int, message: str, hint: str
) -> None:
    with pytest.raises(BadInput) as caught:
        files.load(text)
    assert caught.value.message.startswith(f"{files.town}:{line}:" if line else str(files.town))
    assert message.lower() in caught.value.message.lower()
    assert "\n" not in caught.value.message + caught.value.hint
    assert hint in caught.value.hint


def test_refused_in_the_home(files: Files) -> None:
    with pytest.raises(BadInput, match=r"config\.toml:2: town\.name belongs in a town's"):
        files.load("", "[town]\nname = 'a'")
    with pytest.raises(BadInput, match=r"config\.toml:1: unknown key max_agents"):
        files.load("", "max_agents = 3")


def test_missing_or_unreadable_file(files: Files) -> None:
    with pytest.raises(NotFound) as caught:
        load(files.home, files.town)
    assert "tt init" in caught.value.hint
    files.town.write_bytes(b"# fine\n[town]\nname = '\xff'\n")
    with pytest.raises(BadInput, match=r"tinytown\.toml:3: the file is not UTF-8"):
        load(files.home, files.town)
    files.town.unlink()
    files.town.mkdir()
    with pytest.raises(BadInput, match="cannot be read"):
        load(files.home, files.town)


def test_line_of_is_not_misled() -> None:
    text = 'a = """\nb = 1\n"""\n# b = 2\n\nb = [\n  1,\n]\nc.d = {e = 1}\n'
    assert [line_of(text, keys) for keys in (["a"], ["b"], ["c", "d", "e"], ["f"])] == [1, 6, 9, 0]


def test_watched_reads_again_only_when_a_file_changed(files: Files) -> None:
    files.load("[town]\nmax_agents = 1\n")
    os.utime(files.town, ns=(0, 1_000_000_000))
    watched = Watched(files.home, files.town)
    first = watched.get()
    assert watched.get() is first
    files.town.write_text("[town]\nmax_agents = 2\n")  # the same size, written at once
    assert watched.get().town.max_agents == 2
    files.home.write_text("[limits]\nattempts = 9\n")
    assert watched.get().limits.attempts == 9
    files.home.unlink()
    assert watched.get().limits.attempts == 3


def test_watched_trusts_no_file_written_just_now(files: Files) -> None:
    """Two writes within one tick of the file system's clock have one and the same stamp."""
    files.load("[town]\nmax_agents = 1\n")
    watched = Watched(files.home, files.town)
    assert watched.get().town.max_agents == 1
    status = files.town.stat()
    files.town.write_text("[town]\nmax_agents = 2\n")
    os.utime(files.town, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert watched.get().town.max_agents == 2


def test_watched_never_uses_old_settings_for_a_broken_file(files: Files) -> None:
    files.load("[town]\nmax_agents = 1\n")
    watched = Watched(files.home, files.town)
    watched.get()
    files.town.write_text("[town\n")
    for _ in range(2):
        with pytest.raises(BadInput, match=r"tinytown\.toml:1"):
            watched.get()
    files.town.unlink()
    with pytest.raises(NotFound):
        watched.get()
    files.town.write_text("[town]\nmax_agents = 3\n")
    assert watched.get().town.max_agents == 3


async def test_one_step_of_the_event_loop_has_one_configuration(files: Files) -> None:
    files.load("[town]\nmax_agents = 1\n")
    watched = Watched(files.home, files.town)
    assert watched.get().town.max_agents == 1
    files.town.write_text("[town]\nmax_agents = 22\n")
    assert watched.get().town.max_agents == 1
    assert await asyncio.to_thread(lambda: watched.get().town.max_agents) == 22
    assert watched.get().town.max_agents == 22
    files.town.write_text("[town\n")
    await asyncio.sleep(0)
    for _ in range(2):
        with pytest.raises(BadInput):
            watched.get()
    files.town.write_text("[town]\nmax_agents = 3\n")
    assert watched.get().town.max_agents == 3  # a mistake is not kept, not even so long


def test_template_loads_and_shows_every_key(files: Files) -> None:
    text = template("demo", "codex")
    config = files.load(text)
    assert (config.town.name, config.town.default_cli) == ("demo", "codex")
    assert {key for key, origin in config.origins.items() if origin != "default"} == {
        "town.name",
        "town.default_cli",
        "town.permissions",
    }
    assert config.town.permissions == "bypass"
    assert files.load(template("demo", "codex", "read")).town.permissions == "read"
    lines = [line.removeprefix("# ") for line in text.splitlines() if " = " in line]
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line else line for line in text.splitlines()
    )
    assert files.load(uncommented).limits == config.limits  # what is shown is the default
    for key in KEYS.values():
        shown = any(line.startswith(f"{key.name.rpartition('.')[2]} = ") for line in lines)
        assert shown == ("town" in key.scopes)


EDITED = [
    ("", "town.max_agents", "3", "[town]\nmax_agents = 3\n"),
    ("", "max_agents", "3", "[town]\nmax_agents = 3\n"),
    ("[town]\nmax_agents = 2 # few\n", "town.max_agents", "3", "[town]\nmax_agents = 3 # few\n"),
    ("max_agents = 2 # few\n", "town.max_agents", "3", "max_agents = 3 # few\n"),
    ("town.max_agents = 2\n", "town.max_agents", "3", "town.max_agents = 3\n"),
    ("town = { max_agents = 2 }\n", "town.max_agents", "3", "town = { max_agents = 3 }\n"),
    ("# a\n[env] # b\nX='1'\n", "env.Y", "2", "# a\n[env] # b\nX='1'\nY = \"2\"\n"),
    ("", "limits.wall_seconds", "1", "[limits]\nwall_seconds = 1.0\n"),
    ("", "agent_clis.a.command", "x -y", '[agent_clis.a]\ncommand = "x -y"\n'),
    ("", "agent_clis.a.args", '["x"]', '[agent_clis.a]\nargs = ["x"]\n'),
    ("", "agent_clis.a.command", "1\nb = 2", '[agent_clis.a]\ncommand = "1\\nb = 2"\n'),
]


@pytest.mark.parametrize(("before", "key", "text", "after"), EDITED)
def test_set_value_changes_one_thing(
    files: Files, before: str, key: str, text: str, after: str
) -> None:
    files.town.write_text(before)
    set_value(files.town, key, text, "town")
    assert files.town.read_text() == after
    load(files.home, files.town)


def test_set_value_makes_the_homes_file_and_keeps_a_link(files: Files) -> None:
    set_value(files.home, "max_rounds", "2", "home")
    assert load_home(files.home).limits.max_rounds == 2
    files.load("", "")
    real = files.town.with_name("real.toml")
    files.town.rename(real)
    files.town.symlink_to(real)
    real.chmod(0o640)
    set_value(files.town, "env_file", "x.env", "town")
    assert files.town.is_symlink()
    assert real.read_text() == 'env_file = "x.env"\n'
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


NOT_SET = [
    ("town.max_agent", "3", "town", "unknown key town.max_agent"),
    ("nonsense", "3", "town", "unknown key"),
    ("town", "3", "town", "must be a table"),
    ("town.max_agents", "many", "town", "not 'many'"),
    ("town.max_agents", "0", "town", "from 1 to"),
    ("town.name", "../x", "town", "town.name must be"),
    ("limits.wall_seconds", "nan", "town", "a number from"),
    ("limits.max_rounds", "2", "town", "belongs in the home's"),
    ("town.name", "x", "home", "belongs in a town's"),
    ("env.a b", "x", "town", "not a name of an environment variable"),
    ("env.A", "\0", "town", "must be a string"),
    ("agent_clis.a", "x", "town", "not a setting of a named CLI"),
    ("agent_clis.a.b.c", "x", "town", "not a setting of a named CLI"),
    ("agent_clis.bad.command", "x", "town", "the runtimes say no"),
]


@pytest.mark.parametrize(("key", "text", "scope", "message"), NOT_SET)
def test_set_value_refuses_and_changes_nothing(
    files: Files, key: str, text: str, scope: Scope, message: str
) -> None:
    def runtimes(clis: AgentClis) -> None:
        if "bad" in clis:
            raise BadInput("the runtimes say no")

    path = files.town if scope == "town" else files.home
    path.write_text("# as it was\n")
    with pytest.raises(BadInput, match=message.replace("(", r"\(")):
        set_value(path, key, text, scope, runtimes)
    assert path.read_text() == "# as it was\n"
    assert len(list(path.parent.glob(".*"))) == 0


def test_set_value_leaves_a_broken_or_missing_file(files: Files) -> None:
    files.town.write_text("[town\n")
    with pytest.raises(BadInput, match=r"tinytown\.toml:1"):
        set_value(files.town, "max_agents", "3", "town")
    assert files.town.read_text() == "[town\n"
    files.town.unlink()
    with pytest.raises(NotFound):
        set_value(files.town, "max_agents", "3", "town")
    assert not files.town.exists()
    with pytest.raises(TownError, match="cannot be written"):
        set_value(files.town / "no" / "such", "max_rounds", "3", "home")


@settings(max_examples=30, deadline=None, database=None)
@given(
    st.dictionaries(st.sampled_from(["A", "B", "C"]), st.text(st.characters(codec="utf-8"))),
    st.text(st.characters(codec="utf-8", exclude_characters="\0")),
)
def test_set_value_keeps_every_other_value(
    tmp_path_factory: pytest.TempPathFactory, env: dict[str, str], text: str
) -> None:
    path = tmp_path_factory.mktemp("town") / "tinytown.toml"
    path.write_text(template("demo", "claude"))
    expected = tomllib.loads(path.read_text())
    for name, value in {**env, "NEW": text}.items():
        if "\0" not in value:
            set_value(path, f"env.{name}", value, "town")
            expected["env"][name] = value
    assert tomllib.loads(path.read_text()) == expected
    assert "# Settings of this town" in path.read_text()


def test_the_homes_own_settings_are_watched_too(files: Files) -> None:
    watched = Watched(files.home)
    assert watched.get().limits.max_rounds == 8
    files.home.write_text("[limits]\nmax_rounds = 2\n")
    assert watched.get().limits.max_rounds == 2
    files.home.write_text("[limits\n")
    with pytest.raises(BadInput):
        watched.get()
