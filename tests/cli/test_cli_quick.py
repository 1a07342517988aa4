"""The front door: it asks for what the long road would, prints the same, and gives way to it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli import shapes
from tests.cli.scripted import AGENT, TOWN, FakeDaemon, Tt
from tests.cli.test_cli_transport import ROOT, agent_credentials
from tinytown_cli import app, client, jsontext, quick, whereabouts
from tinytown_cli.options import chosen
from tinytownd import wire
from tinytownd.domain import errors

#: Each hot verb as it is typed, and what it sends.
HOT: list[tuple[list[str], str, dict[str, str]]] = [
    (["assign", "d", "Build\nit"], "task.assign", {"agent": "d", "text": "Build\nit"}),
    (["send", "d", "Löschen 🙂"], "message.send", {"to": "d", "text": "Löschen 🙂"}),
    (
        ["send", "d", "--reply-to", "m1", "yes"],
        "message.send",
        {"to": "d", "text": "yes", "reply_to": "m1"},
    ),
    (
        ["send", "--urgent", "--query", "d", "Why?"],
        "message.send",
        {"to": "d", "text": "Why?", "kind": "query", "priority": "urgent"},
    ),
    (["task", "complete"], "task.complete", {}),
    (
        ["task", "complete", "7", "--result", "done"],
        "task.complete",
        {"task": "7", "result": "done"},
    ),
    (["task", "current"], "task.current", {}),
    (["task", "current", "d"], "task.current", {"agent": "d"}),
    (["status"], "town.status", {}),
    (["inbox"], "message.inbox", {}),
    (["inbox", "d"], "message.inbox", {"agent": "d"}),
]
PLAIN = ("d", "7", "hello", "two words", "a\nb", "role:r", "é🙂", "@file", "x=y", "status", "task")
ODD = (
    *("", " ", "\n", "-", "--", "-x", "-1", "-tx", "--jsonx", "--json=1", "--town=x", "--help"),
    *("\udcff", "\0", "--result=x", "--all", "--read", "--tasks", "--after", "--info", "--ack"),
)
OPTIONS = (
    *(["--json"], ["-t", "x"], ["--town", "x y"], ["-t", ""], ["-t"], ["-t", "--json"]),
    *(["--result", "fine"], ["--result"], ["--reply-to", "m1"], ["--reply-to", "-"]),
    *(["--urgent"], ["--query"], ["--info"], ["--ack"]),
)


@st.composite
def typed(draw: st.DrawFn) -> list[str]:
    """The words of a hot verb with all sorts of words between them."""
    parts = [[word] for word in draw(st.sampled_from(list(quick.FORMS))).split()]
    parts += [[word] for word in draw(st.lists(st.sampled_from(PLAIN), max_size=3))]
    others = st.one_of(st.sampled_from(OPTIONS), st.sampled_from(ODD).map(lambda odd: [odd]))
    for more in draw(st.lists(others, max_size=3)):
        parts.insert(draw(st.integers(0, len(parts))), list(more))
    return [word for part in parts for word in part]


class Seen(Exception):
    """What the long road would have sent."""


def long_road(words: list[str]) -> tuple[str, dict[str, Any], str, bool]:
    """The verb, its arguments, the town and the form of the output, as `app` has them."""

    def seen(_: object, verb: str, args: dict[str, Any], **__: object) -> None:
        given = {name: value for name, value in args.items() if value is not None}
        raise Seen(verb, given, chosen.town, chosen.json)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "here", lambda: client.Target(TOWN))
        patch.setattr(client, "send", seen)
        with pytest.raises(Seen) as sent:
            app.run(words)
    verb, args, town, as_json = sent.value.args
    return verb, args, town, as_json


@given(typed())
def test_both_parsers_agree(words: list[str]) -> None:
    asked = quick.read(words)
    if asked is not None:
        assert (asked.form.verb, asked.args, asked.town, asked.json) == long_road(words)


@pytest.mark.parametrize(("words", "verb", "args"), HOT)
@pytest.mark.parametrize("before", [[], ["-t", "x", "--json"]])
@pytest.mark.parametrize("after", [[], ["--json"], ["--town", "x"]])
def test_plain_forms_are_taken(
    words: list[str], verb: str, args: dict[str, str], before: list[str], after: list[str]
) -> None:
    asked = quick.read([*before, *words, *(after if not before else [])])
    assert asked is not None
    assert (asked.form.verb, asked.args) == (verb, args)
    assert asked.town == ("x" if before or "x" in after else "")
    assert asked.json == bool(before or "--json" in after)


def test_others_are_left_to_the_parser_of_record() -> None:
    for words in (
        *([], ["task"], ["list"], ["--help"], ["status", "--help"], ["status", "--tasks"]),
        *(["assign", "d"], ["assign", "d", "-"], ["assign", "d", "x", "y"], ["assign", "d", "-x"]),
        *(["send", "--all", "x"], ["send", "d", "x", "--info", "--ack"], ["inbox", "--read", "d"]),
        *(["task", "complete", "7", "--result", "-"], ["task", "complete", "--result"]),
        *(["status", "-t"], ["status", "-t", ""], ["assign", "d", "x" * 200_000], ["x", "status"]),
    ):
        assert quick.read(words) is None, words


REPLIES: list[tuple[list[str], dict[str, Any]]] = [
    (["assign", "d", "x"], {"task": shapes.task(), "agent": shapes.agent()}),
    (["assign", "role:r", "x"], {"task": shapes.task(agent=None, role="r"), "agent": None}),
    (["assign", "d", "x"], {"task": shapes.task(), "agent": shapes.agent(desired="pause")}),
    (["task", "current", "d"], {"task": None}),
    (["send", "d", "x"], {"messages": []}),
    (["inbox", "d"], shapes.listed("messages", [])),
    (["inbox", "d"], shapes.listed("messages", [], total=3)),
]


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize(("words", "reply"), [*((words, None) for words, *_ in HOT), *REPLIES])
def test_it_prints_what_the_long_road_prints(
    words: list[str],
    reply: dict[str, Any] | None,
    options: list[str],
    daemon: FakeDaemon,
    town: Path,
    tt: Tt,
) -> None:
    asked = quick.read(words)
    assert asked is not None
    if reply is not None:
        daemon.replies[asked.form.verb] = reply
    told = tt(*words, *options)
    assert tt(*words, *options, run=quick.run) == told
    long, short = daemon.sent
    assert (long.stream, long.verb, long.args) == (short.stream, short.verb, short.args)
    assert abs(long.life_ms - short.life_ms) < 10_000
    assert long.id != short.id


def test_a_refusal_is_told_by_the_long_road_under_the_same_id(
    daemon: FakeDaemon, town: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    daemon.replies["task.complete"] = errors.Conflict("7 is completed", hint="tt task list")
    assert quick.run(["task", "complete", "7"]) == 2
    assert capfd.readouterr() == ("", "tt: 7 is completed (tt task list)\n")
    assert len({sent.id for sent in daemon.sent}) == 1


def test_a_lost_connection_happens_once(daemon: FakeDaemon, town: Path) -> None:
    daemon.drop = 2
    assert quick.run(["send", "d", "x"]) == 0
    assert len(daemon.sent) == 3
    assert len({sent.id for sent in daemon.sent}) == 1


def test_after_a_silence_the_reply_is_still_that_of_the_first(
    daemon: FakeDaemon, town: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "_QUIET_SECONDS", 0.05)
    daemon.mute.add("task.assign")

    def opened(_: dict[str, Any]) -> Any:
        first = daemon.sent[0]
        data: dict[str, object] = {"task": shapes.task(), "agent": shapes.agent()}
        daemon.answer(TOWN, "", first.id, wire.encode_reply(first.id, data))
        return shapes.REPLIES["town.open"]

    daemon.replies["town.open"] = opened
    assert quick.run(["assign", "d", "x"]) == 0
    sent = [one for one in daemon.sent if one.verb == "task.assign"]
    assert len({one.id for one in sent}) == 1


def test_a_town_that_has_moved_is_opened_and_asked_anew(daemon: FakeDaemon, town: Path) -> None:
    def opened(_: dict[str, Any]) -> Any:
        daemon.replies["message.inbox"] = shapes.listed("messages", [])
        return shapes.REPLIES["town.open"]

    daemon.replies |= {"message.inbox": errors.Elsewhere(), "town.open": opened}
    assert quick.run(["inbox", "d"]) == 0
    asked = [one.id for one in daemon.sent if one.verb == "message.inbox"]
    assert asked[0] == asked[1] != asked[2]


@pytest.mark.parametrize("what", ["id", "endpoint", "town"])
def test_what_is_missing_is_the_long_roads_affair(
    what: str, daemon: FakeDaemon, town: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if what == "id":
        (town / ".tt" / "town").unlink()
        assert quick.run(["status"]) == 0
        assert [one.verb for one in daemon.sent] == ["town.open", "town.status"]
    elif what == "town":
        assert quick.run(["status", "-t", "/"]) == 2
        assert capfd.readouterr().err == "tt: --town: there is no town in / (tt init)\n"
    else:
        daemon.write_endpoint(password="wrong")
        asked = quick.read(["status"])
        assert asked is not None
        with pytest.raises(ValueError, match="refused"):
            quick.answered(asked, {})
        daemon.write_endpoint()


def test_an_agent_speaks_on_its_own_stream_at_once(
    daemon: FakeDaemon, town: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYTOWN_CREDENTIALS", str(agent_credentials(daemon, town)))
    monkeypatch.setattr(app, "run", lambda *_: pytest.fail("the long road was taken"))
    assert quick.run(["task", "complete", "7", "--result", "done"]) == 0
    (sent,) = daemon.sent
    assert sent.stream == wire.commands_key(TOWN, AGENT)
    assert 50_000 < sent.life_ms <= 60_000


def in_shell(words: str) -> tuple[int, str]:
    """The exit code, and standard error, of `tt` with these words and redirections."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"{shlex.quote(sys.executable)} -m tinytown_cli {words}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", ["--help", "status", "status --json", "list --json"])
def test_standard_output_that_is_closed_full_or_left(
    words: str, daemon: FakeDaemon, town: Path
) -> None:
    def end(where: str) -> tuple[int, str]:
        return in_shell(f"{words} {where}")

    assert end(">&-") == (0, "")
    assert end("| true") == (0, "")
    assert end("> /dev/full") == (2, "tt: the output cannot be used: No space left on device\n")
    assert end("2>&-") == end("<&-") == (0, "")


def test_standard_input_that_is_closed_is_empty(daemon: FakeDaemon, town: Path) -> None:
    told = "tt: the text is empty (say what it is about)\n"
    assert in_shell("assign dev - <&-") == (2, told)


@pytest.mark.parametrize("encoding", ["latin-1:strict", "utf-8:strict", "utf-8:surrogateescape"])
def test_a_character_that_the_outputs_encoding_has_not_got(
    encoding: str, empty_home: Path, tmp_path: Path
) -> None:
    (empty_home / "logs").mkdir(parents=True)
    log = {"event": "x.y", "half": "\ud800", "place": "日本"}
    (empty_home / "logs" / "tinytownd.jsonl").write_text(json.dumps(log) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "tinytown_cli", "logs"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    shown = "日本".encode(encoding.partition(":")[0], "replace")
    assert done.stdout.endswith(b"half=? place=" + shown + b"\n")


#: All that a hot verb may import beyond what Python itself starts with, by what it prints.
IMPORTS = {
    *("__future__", "_json", "_socket", "hiredis", "hiredis.hiredis", "hiredis.version"),
    *("tinytownd", "tinytownd.domain", "tinytownd.domain.errors", "tinytownd.wire", "tinytown_cli"),
    *(
        f"tinytown_cli.{name}"
        for name in ("jsontext", "layout", "options", "output", "quick", "whereabouts")
    ),
}
PAGES = {
    "assign": {"tinytown_cli.taskpage"},
    "task": {"tinytown_cli.taskpage"},
    "send": {"tinytown_cli.mailpage"},
    "inbox": {"tinytown_cli.mailpage"},
    "status": {"tinytown_cli.statuspage", "tinytown_cli.planpage"},
}


@pytest.mark.parametrize("words", [words for words, *_ in HOT])
@pytest.mark.parametrize("by", ["person", "agent"])
def test_what_a_hot_verb_imports(
    words: list[str], by: str, daemon: FakeDaemon, town: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by == "agent":
        monkeypatch.setenv("TINYTOWN_CREDENTIALS", str(agent_credentials(daemon, town)))
    script = (
        "import sys; before = set(sys.modules); from tinytown_cli import quick;"
        "code = quick.run(sys.argv[1:]);"
        "print(*sorted(set(sys.modules) - before), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    to_ask_for_the_lock = {"_struct", "fcntl", "struct"} if by == "person" else set[str]()
    # Where a moment is shown, also the C half of `datetime`.
    imported = set(done.stderr.split()) - {"_datetime"}
    assert imported == IMPORTS | PAGES[words[0]] | to_ask_for_the_lock


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_json_is_as_json_has_it(data: object) -> None:
    for ascii_only in (True, False):
        text = json.dumps(data, indent=2, ensure_ascii=ascii_only)
        assert jsontext.indented(data, ascii_only=ascii_only) == text
        assert repr(jsontext.parsed(f"{text}\n")) == repr(json.loads(text))


@given(st.dictionaries(st.text(), st.text()))
def test_arguments_are_as_json_has_them(told: dict[str, str]) -> None:
    assert jsontext.compact(told) == json.dumps(told, ensure_ascii=False)


@pytest.mark.parametrize("text", ["", " ", "{", "{} {}", "nul", '{"a": }', "[1,]", '"\n"'])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        json.loads(text)
    with pytest.raises(ValueError, match=r".+"):
        jsontext.parsed(text)


@given(st.lists(st.sampled_from(["a", "b c", ".", "..", "/", "//", "~", "é"])).map("".join))
def test_paths_are_as_pathlib_has_them(path: str) -> None:
    if not path.startswith(("//", "~a", "~b", "~é", "~.", "~~", "./")):
        spelled = str(Path(path).expanduser().absolute())
        assert whereabouts.absolute(path) == spelled
