"""The line below the live view: what is typed, what is answered, and the terminal afterwards."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scripted import FakeDaemon, wait_until
from tests.cli.shapes import agent, conducting, message, task
from tests.terminal import OnTerminal
from tinytown_cli import client, output, screen, talk
from tinytown_cli.typed import Line
from tinytownd.domain.errors import Conflict

ROOT = Path(__file__).parents[2]
WORKING = [task("build", "running")]


def asked(daemon: FakeDaemon) -> list[dict[str, Any]]:
    """What was sent to the conductor."""
    return [one.args for one in daemon.sent if one.verb == "message.send"]


@pytest.fixture
def conducted(daemon: FakeDaemon, town: Path) -> Iterator[OnTerminal]:
    """`tt conductor` on a terminal, when its first picture is there."""
    team = [agent("conductor", desired="run"), agent()]
    daemon.replies["conductor.status"] = conducting("running", WORKING, agents=team)
    daemon.replies["message.read"] = {"messages": [], "left": 0}
    sent = message(id="m7", to="conductor", kind="query")
    daemon.replies["message.send"] = lambda args: {"messages": [{**sent, "text": args["text"]}]}
    argv = [sys.executable, "-m", "tinytown_cli", "conductor"]
    with OnTerminal(argv, town, {**os.environ, "PYTHONPATH": str(ROOT)}) as terminal:
        terminal.until("write to the conductor")
        terminal.until("build")
        yield terminal


def test_a_typed_line_goes_to_the_conductor_once(conducted: OnTerminal, daemon: FakeDaemon) -> None:
    conducted.type("Is it dnoe\x7f\x7f\x7fone? Zażółć 漢".encode())
    conducted.until("> Is it done? Zażółć 漢")
    assert not asked(daemon)
    conducted.type("\r")
    conducted.until("you: Is it done? Zażółć 漢\r\n")
    conducted.until("the conductor will answer")
    assert asked(daemon) == [
        {"to": "conductor", "text": "Is it done? Zażółć 漢", "kind": "query"},
    ]


def test_an_answer_and_what_the_conductor_does_are_shown(
    conducted: OnTerminal, daemon: FakeDaemon
) -> None:
    answer = message(**{"from": "conductor", "to": "person", "text": "Yes.\nAll \x1b[2Jof it."})
    daemon.replies["message.read"] = {"messages": [answer], "left": 0}
    daemon.event("task.retrying", actor="conductor", task="build")
    daemon.event("task.created", actor="conductor", task="t2")
    daemon.event("message.sent", actor="conductor", agent="person", message="m8", text="Yes.")
    conducted.until("conductor: Yes.\r\n  All \ufffd[2Jof it.\r\n")
    assert "build is tried again (by the conductor)\r\n" in conducted.seen
    assert "conductor created t2\r\n" in conducted.seen
    daemon.replies["message.read"] = {"messages": [], "left": 0}
    daemon.event("message.sent", actor="dev", agent="person", message="m9", text="Read elsewhere")
    conducted.until("dev wrote to person: Read elsewhere")


@pytest.mark.parametrize("keys", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_without_a_plan_it_is_there_to_talk_until_one_leaves(
    keys: str, daemon: FakeDaemon, town: Path
) -> None:
    daemon.replies["conductor.status"] = conducting("none", [], agents=[])
    daemon.replies["message.read"] = {"messages": [], "left": 0}
    argv = [sys.executable, "-m", "tinytown_cli", "conductor"]
    with OnTerminal(argv, town, {**os.environ, "PYTHONPATH": str(ROOT)}) as terminal:
        terminal.until("No plan yet")
        terminal.type("Hello\r")
        terminal.until("you: Hello")
        daemon.event("message.sent", actor="ann", agent="bob", message="m9", text="x")
        terminal.until("wrote to bob")
        terminal.type(keys)
        assert terminal.end() == 0
        assert terminal.modes() == terminal.before
    assert "conductor.start" not in [one.verb for one in daemon.sent]


def test_what_people_have_not_read_is_shown_first(
    conducted: OnTerminal, daemon: FakeDaemon
) -> None:
    assert [one.args for one in daemon.sent if one.verb == "message.read"] == [{"agent": "person"}]


def test_a_line_that_is_refused_is_not_lost(conducted: OnTerminal, daemon: FakeDaemon) -> None:
    daemon.replies["message.send"] = Conflict("the mailbox is full", hint="tt inbox conductor")
    conducted.type("Hello?\r")
    conducted.until("the mailbox is full (tt inbox conductor)\r\n")
    conducted.until("> Hello?", after=conducted.seen.rindex("the mailbox"))


def test_nobody_is_cut_off(conducted: OnTerminal, daemon: FakeDaemon) -> None:
    conducted.type("Wait")
    conducted.until("> Wait")
    team = [agent("conductor", desired="run")]
    over = conducting("completed", [task("build", "completed")], agents=team)
    daemon.replies["conductor.status"] = over
    daemon.event("plan.completed")
    looks = len(daemon.sent)
    wait_until(lambda: len(daemon.sent) >= looks + 2)
    assert conducted.process.poll() is None
    conducted.type("!\r")
    conducted.until("you: Wait!")
    looks = len(daemon.sent)
    wait_until(lambda: len(daemon.sent) >= looks + 2)
    assert conducted.process.poll() is None
    daemon.event("message.acknowledged", actor="conductor", agent="conductor", message="m7")
    assert conducted.end() == 0
    assert "Plan completed" in conducted.seen


@pytest.mark.parametrize("state", [None, "error"])
def test_a_question_that_nobody_will_answer_holds_nothing_up(
    state: str | None, conducted: OnTerminal, daemon: FakeDaemon
) -> None:
    team = [agent()]
    if state is not None:
        team.append(agent("conductor", desired="run", state=state))
    daemon.replies["conductor.status"] = conducting("running", WORKING, agents=team)
    conducted.type("Anybody?\r")
    conducted.until("nobody is there to read it")
    daemon.replies["conductor.status"] = conducting("completed", [], agents=team)
    daemon.event("plan.completed")
    assert conducted.end() == 0


@pytest.mark.parametrize("keys", [b"\x04", b"\x03"], ids=["ctrl-d", "ctrl-c"])
def test_leaving_restores_the_terminal(keys: bytes, conducted: OnTerminal) -> None:
    assert conducted.modes() != conducted.before
    conducted.type(keys)
    assert conducted.end() == 0
    assert conducted.seen.endswith("the conductor goes on; tt conductor stop ends it\r\n")
    assert conducted.modes() == conducted.before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_terminal(number: signal.Signals, conducted: OnTerminal) -> None:
    conducted.process.send_signal(number)
    assert conducted.end() == -number
    assert conducted.modes() == conducted.before


def test_an_error_restores_the_terminal(conducted: OnTerminal, daemon: FakeDaemon) -> None:
    daemon.replies["conductor.status"] = Conflict("it broke")
    daemon.event("task.started", task="build", agent="developer")
    assert conducted.end() == 2
    assert conducted.seen.endswith("tt: it broke\r\n")
    assert conducted.modes() == conducted.before


def test_after_a_stop_the_keys_are_taken_again(conducted: OnTerminal) -> None:
    taken = conducted.modes()
    conducted.type("half")
    seen = len(conducted.until("> half"))
    stat = Path(f"/proc/{conducted.process.pid}/stat")
    # Not Ctrl-Z: where no shell is above it, the system stops nobody by that.
    conducted.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
    conducted.set_modes(conducted.before)
    conducted.process.send_signal(signal.SIGCONT)
    conducted.until("> half", after=seen)
    assert conducted.modes() == taken


class Interrupted(io.RawIOBase):
    """A terminal on which we are resumed in the middle of a drawing."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        signal.raise_signal(signal.SIGCONT)
        return len(data)


def test_one_that_is_resumed_while_it_draws_draws_anew_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeing, inside = os.openpty()
    monkeypatch.setattr(output, "live", False)
    with os.fdopen(seeing, "rb", 0), os.fdopen(inside, "rb", 0) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(Interrupted())))
        drawn = screen.Screen()
        conversation = talk.Talk(client.Target("town"), drawn)
        with conversation:  # draws, and is interrupted
            drawings: list[str] = []
            monkeypatch.setattr(drawn, "again", lambda: drawings.append("anew"))
            conversation.rest(0)
    assert drawings == ["anew"]


@pytest.mark.parametrize(
    ("keys", "finished", "left"),
    [
        (b"one\rtwo\nthree", ["one", "two"], "three"),
        (b"abc\x15d", [], "d"),
        (b"a\x7f\x7f\x08b", [], "b"),
        ("e\u0301\u0302x\x7f\x7fy".encode(), [], "y"),
        (b"a\x1b[A\x1b[1;5Db\x1bOHc\x1b", [], "abc"),
        (b"\x1b[200~two\r\nlines\x1b[201~ end", [], "two\n\nlines end"),
        (b"\x00\x01\x1bz\tx\xff", [], "z\tx\ufffd"),
    ],
)
def test_keys(keys: bytes, finished: list[str], left: str) -> None:
    for chunks in ([keys], [keys[n : n + 1] for n in range(len(keys))]):
        line = Line()
        assert [one for chunk in chunks for one in line.feed(chunk)] == finished
        assert line.text == left


def test_ctrl_d_leaves_only_where_nothing_is_typed() -> None:
    line = Line()
    line.feed(b"a\x04")
    assert (line.text, line.ended) == ("a", False)
    assert line.feed(b"b\r\x04c\r") == ["ab"]
    assert line.ended


def test_a_long_line_shows_its_end() -> None:
    assert talk.tail("abc", 3) == "abc"
    assert talk.tail("abcdef", 4) == "…def"
    assert talk.tail("ab\ncd", 5) == "ab⏎cd"
    assert talk.tail("漢字漢字", 5) == "…漢字"
    assert output.columns(talk.tail("x" * 1_000_000, 70)) == 70


def test_a_message_is_wrapped_between_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "31")
    text = "All is well so far.\n\n- one thing that is long enough\n" + "x" * 40
    assert talk.letter("ann", "no time", text) == [
        "--:--:-- ann: All is well so",
        "  far.",
        "",
        "  - one thing that is long",
        "    enough",
        "  " + "x" * 28,
        "    " + "x" * 12,
    ]


def test_lines_above_stay_and_the_block_follows(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "12")
    monkeypatch.setenv("LINES", "4")
    block = screen.Screen()
    block.below("> ", "write here please")
    block.show(["one", "two"])
    block.above(["said"])
    block.close()
    prompt = "\r\x1b[2K> \x1b[2mwrite he…\x1b[0m\x1b[9D"
    picture = f"\x1b[2Kone\n\x1b[2Ktwo\n\x1b[J{prompt}"
    expected = f"{prompt}\r{picture}\x1b[2A\r\x1b[Jsaid\n\r{picture}\r\x1b[2K"
    assert capfd.readouterr().out == expected
