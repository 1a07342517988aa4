"""What looks like a secret, or is known to be one, is not told; what is neither stays as it is."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.towns import agent, make_town
from tinytownd import logs
from tinytownd.config import Config, check, load_home
from tinytownd.domain.errors import BadInput, PlanError
from tinytownd.environment import secrets_of
from tinytownd.redact import (
    HIDDEN,
    encode_error,
    hide,
    hide_all,
    is_secret,
    redact,
    redact_all,
    secret_values,
)
from tinytownd.supervisor.loop import hold

#: Each with what must not be told, and what must stay.
SECRETS = [
    ("redis://me:hunter2@host:6379/0", "hunter2", "redis://me:***@host:6379/0"),
    ("rediss://:p%40ss/word@host", "word", "rediss://:***@host"),
    ("see postgres://u:a:b@c@host/db now", "a:b@c", "see postgres://u:***@host/db now"),
    ("https://0123456789abcdefghij@host/x", "0123456789", "https://***@host/x"),
    ("GET https://host/x?a=1&key=abc&b=2", "abc", "&b=2"),
    ("> Authorization: Bearer abc.def-ghi", "abc", "> Authorization: ***"),
    ("{'authorization': 'Basic dXNlcjpwYXNz'}", "dXN", "{'authorization': '***'}"),
    ("Proxy-Authorization: Digest username=u, response=r", "response", "Proxy-Authorization: ***"),
    ("sent Bearer abcdef0123", "abcdef", "sent Bearer ***"),
    ("Set-Cookie: session=abc; Path=/", "abc", "Set-Cookie: ***"),
    ("x-api-key: ab12cd34", "ab12", "x-api-key: ***"),
    ("token=abc password=def", "abc", "token=*** password=***"),
    ("api_key = 'ab c'", "ab", "api_key = '***"),
    ("ANTHROPIC_API_KEY=zyx ", "zyx", "ANTHROPIC_API_KEY=*** "),
    ("DEPLOY_KEY=zyx", "zyx", "DEPLOY_KEY=***"),
    ('{"client_secret": "two words", "n": 1}', "two", '"client_secret": "***", "n": 1'),
    ("curl --api-key zyxw --verbose", "zyxw", "--api-key *** --verbose"),
    ("Incorrect API key provided: sk-proj-abcdefgh0123456789", "abcdefgh", "provided: ***"),
    ("sk-ant-api03-aaaaaaaa_bbbb-cccc", "aaaa", "***"),
    ("ghp_0123456789abcdefABCDEF0123456789abcd!", "0123", "***!"),
    ("github_pat_11ABCDEFG0123456789_abc", "11ABC", "***"),
    ("(AKIAIOSFODNN7EXAMPLE)", "AKIA", "(***)"),
    ("AIzaSyA0123456789abcdefghijklmnopqrstuv", "AIza", "***"),
    ("xoxb-1234567890-abc", "1234", "***"),
    ("eyJhbGciOiJI.eyJzdWIiOiIx.abc", "eyJ", "***"),
    ("-----BEGIN RSA PRIVATE KEY-----\nb3Bl\n-----END RSA PRIVATE KEY----- x", "b3Bl", " x"),
    ("-----BEGIN PRIVATE KEY-----\nb3Bl, and cut off", "b3Bl", "-----BEGIN PRIVATE KEY-----***"),
]  # fmt: skip
HARMLESS = [
    "",
    "it ended with exit code 3: tests/test_token.py failed",
    "input_tokens=1200 max_tokens: 4096 token: 7",
    "SyntaxError: unexpected token: identifier",
    "the password is asked for, the secret is kept",
    "http://localhost:3000/@vite/client",
    "git@github.com:owner/repository.git, ssh://git@github.com/x",
    "task-with-a-name-that-is-long-enough-to-be-a-key",
    "monkey=banana turkey: 123456",
    "needs 'key'; PWD=/home/me/x; secret=***",
    "a 'b' \"c\" $(d) ünï ☃ 100% a@b.c",
]
ENV = {
    "OPENAI_API_KEY": "value-of-key",
    "npm_config__auth": "value-of-auth",
    "DB_PWD": "value of pwd",
    "SECRET_THING": 'with "quotes"/and more',
    "DATABASE_URL": "postgres://user:url-password@host/db",
    "PEM_KEY": "-----BEGIN-----\n0123456789abcdefghij\n-----END-----",
    "MY_TOKEN": "short",
    "PWD": "/home/me/project",
    "EDITOR": "some-long-editor",
}


@pytest.mark.parametrize(("text", "secret", "stays"), SECRETS)
def test_what_looks_like_a_secret_is_hidden(text: str, secret: str, stays: str) -> None:
    told = redact(text)
    assert secret not in told
    assert stays in told
    assert redact(told) == told


@pytest.mark.parametrize("text", HARMLESS)
def test_what_does_not_stays(text: str) -> None:
    assert redact(text) == text


def test_a_case_of_its_own_does_not_matter() -> None:
    assert "hunter2" not in redact("PassWord=hunter2 AUTHORIZATION: hunter2")


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_told(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("name", ["API_KEY", "x-api-key", "key", "Token", "AWS_ACCESS_KEY_ID"])
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["PWD", "OLDPWD", "PATH", "MONKEY", "MAX_TOKENS", "KEYBOARD", "SSH_AUTH_SOCK"]
)
def test_names_of_other_things(name: str) -> None:
    assert not is_secret(name)


def test_values_of_secrets_are_known_by_their_names() -> None:
    known = secret_values(ENV)
    text = " ".join(ENV.values())
    assert hide(text, known).replace(HIDDEN, "") == (
        "    postgres://user:@host/db  short /home/me/project some-long-editor"
    )
    assert list(known) == sorted(known, key=len, reverse=True)


def test_known_values_are_known_in_other_forms() -> None:
    known = secret_values(ENV)
    for text in (
        json.dumps(ENV["SECRET_THING"]),
        "https://host/?q=with%20%22quotes%22%2Fand%20more",
        "only its line 0123456789abcdefghij",
    ):
        assert HIDDEN in hide(text, known)
    assert hide("value-of-", known) == "value-of-"


def test_agents_own_words_lose_nothing_but_known_values() -> None:
    said = {"result": "password=x is value-of-key", "tags": ["value-of-key"], "n": 1, "none": None}
    kept = {"result": "password=x is ***", "tags": ["***"], "n": 1, "none": None}
    assert hide_all(said, secret_values(ENV)) == kept


def test_plain_data_is_hidden_by_name_and_by_shape() -> None:
    data = {"env": {"API_KEY": "a", "HOME": "/x"}, "url": "redis://:a@h", "tokens": 5, "KEY": ""}
    told = {
        "env": {"API_KEY": "***", "HOME": "/x"},
        "url": "redis://:***@h",
        "tokens": 5,
        "KEY": "",
    }
    assert redact_all(data) == told


def test_every_place_of_an_agents_environment_is_known(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("FILE_TOKEN='from-the-file'\n")
    config = Config(
        env={"TABLE_TOKEN": "from-the-table"},
        env_file=tmp_path / "env",
        agent_clis={"mine": {"command": "x", "env": {"CLI_TOKEN": "from-the-cli"}}},
    )
    base = {"USER_TOKEN": "from-the-user"}
    places = {"from-the-file", "from-the-table", "from-the-cli", "from-the-user"}
    assert set(secrets_of(base, config)) == places
    (tmp_path / "env").write_text("broken\n")
    assert set(secrets_of(base, config)) == places - {"from-the-file"}


# --- errors


def test_an_error_reply_tells_no_secret() -> None:
    error = BadInput("no redis://me:hunter2@host", hint="try token=hunter2")
    reply = json.loads(encode_error("1-x", error))
    assert (reply["error"]["message"], reply["error"]["hint"]) == (
        "no redis://me:***@host",
        "try token=***",
    )
    assert "hunter2" in error.message


def test_nor_do_a_plans_problems() -> None:
    error = PlanError([{"line": 3, "message": "password=hunter2", "hint": ""}], 7)
    told = json.loads(encode_error("1-x", error))["error"]
    assert told["message"] == "the plan has 7 problems"
    assert told["problems"] == [{"line": 3, "message": "password=***", "hint": ""}]


@pytest.mark.parametrize(
    "text",
    [
        '[redis]\nurl = "http://me:hunter2hunter2hunter2@a-host-with-a-long-name"\n',
        "[env]\nAPI_KEY = ['hunter2']\n",
        "[env]\nURL = ['redis://:hunter2@h']\n",
    ],
)
def test_a_mistake_in_the_settings_quotes_no_secret(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        check(text, tmp_path / "config.toml", "home")
    assert "hunter2" not in caught.value.message
    assert "must be" in caught.value.message


def test_settings_are_listed_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[redis]\nurl = "redis://me:hunter2@h"\n[env]\nMY_TOKEN = "hunter2"\nLEVEL = "3"\n'
        '[agent_clis.mine]\ncommand = ["x", "--token=hunter2"]\n'
        'env = {MY_KEY = "hunter2", A = "1"}\n'
    )
    values = {str(row["key"]): row["value"] for row in load_home(path).listing()}
    assert "hunter2" not in json.dumps(values)
    assert values["env.LEVEL"] == "3"
    assert values["agent_clis.mine.command"] == ["x", "--token=***"]
    assert values["agent_clis.mine.env"] == {"MY_KEY": "***", "A": "1"}


def test_a_hold_tells_no_secret() -> None:
    town = make_town(agent("ann"))
    hold(town, town.agents["a1"], "no redis://me:hunter2@host")
    assert "hunter2" not in json.dumps([town.agents["a1"].to_json(), *town.change.events])


# --- logs


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A log file that structlog writes into until the test's end."""
    monkeypatch.setattr("sys.stderr", io.StringIO())
    handlers = logging.root.handlers.copy()
    logger = logs.set_up(tmp_path / "log", {"MY_TOKEN": "value-of-token"})
    yield tmp_path / "log"
    logger.close()
    structlog.reset_defaults()
    logging.root.handlers = handlers


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_log_line_tells_no_secret(log: Path) -> None:
    structlog.get_logger().info("x", url="redis://:hunter2@h", more=[{"a": "value-of-token"}], n=1)
    (line,) = lines(log)
    assert (line["url"], line["more"], line["n"]) == ("redis://:***@h", [{"a": "***"}], 1)


def test_a_log_line_tells_no_secret_of_the_login_shell(log: Path) -> None:
    logs.hide_too({"DEPLOY_TOKEN": "another-value"})
    structlog.get_logger().info("x", text="value-of-token and another-value")
    assert lines(log)[0]["text"] == "*** and ***"


def test_a_traceback_tells_no_secret(log: Path) -> None:
    try:
        raise ValueError("cannot reach redis://:hunter2@h with value-of-token")
    except ValueError:
        structlog.get_logger().exception("x")
    (line,) = lines(log)
    assert "cannot reach redis://:***@h with ***" in str(line["exception"])
    assert "hunter2" not in log.read_text()


def test_what_libraries_log_is_in_the_log_without_secrets(log: Path) -> None:
    logging.getLogger("asyncio").error("lost %s", "redis://:hunter2@h")
    (line,) = lines(log)
    assert (line["event"], line["text"]) == ("python.said", "lost redis://:***@h")
    assert oct(log.stat().st_mode & 0o777) == "0o600"
