"""What the fuzzers found, each by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests import waiting
from tests.e2e.town import Home, TownUnderTest
from tests.fuzz.link import PATIENCE, Link
from tests.fuzz.replies import problem_of
from tests.store.steps import add, answering, entry_in, loaded, reply_to
from tinytownd import wire
from tinytownd.domain.errors import BadInput, Conflict, PlanError
from tinytownd.domain.names import did_you_mean, shown
from tinytownd.domain.town import Town
from tinytownd.handlers.registry import Answer
from tinytownd.runtimes.readers import Transcript
from tinytownd.runtimes.verdict import verdict
from tinytownd.store import keys
from tinytownd.store.client import Client
from tinytownd.store.town import TownStore


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TownUnderTest]:
    """A town of a daemon of this module's own."""
    root = tmp_path_factory.mktemp("found")
    home = Home(root / "home")
    town = home.town(root / "town")
    (town.directory / "loop").symlink_to("loop")
    yield town
    home.end(root)


def answer(town: TownUnderTest, stream: str, **fields: str) -> dict[str, Any]:
    """Writes one entry into a stream as anybody may, and waits for its reply."""
    told = json.loads((town.home.path / "endpoint.json").read_text())
    link = Link(told["socket"], told["user"], told["password"])
    entry = dict(wire.encode_command("town.list", {})) | fields
    link.ask("XADD", keys.commands_key(stream), "*", *(x for pair in entry.items() for x in pair))
    reply_to_it = partial(link.ask, "GET", keys.done_key(stream, entry["id"]))
    try:
        text = waiting.until(reply_to_it, f"an answer to {str(fields)[:200]}", patience=PATIENCE)
    finally:
        link.close()
    reply: dict[str, Any] = json.loads(text)
    assert problem_of(reply, entry["id"]) == ""
    return reply


def refusal(reply: dict[str, Any]) -> str:
    return str(reply["error"]["kind"])


@pytest.mark.parametrize("odd", ["\0", "a\nb", "{}/loop", "/x" * 3000, "\x1b[31m", "y" * 5000])
def test_a_directory_that_cannot_be_is_another_one(town: TownUnderTest, odd: str) -> None:
    known = (town.directory / ".tt" / "town").read_text().strip()
    where = odd.format(town.directory)
    reply = answer(town, known, verb="backlog.list", args="{}", dir=where)
    assert refusal(reply) == "elsewhere"


@pytest.mark.parametrize("verb", ["town.init", "town.open", "town.forget", "config.list"])
@pytest.mark.parametrize("odd", ["/a\nb", "{}/loop", "{}/" + "x" * 300, "{}" + "/x" * 3000])
def test_a_verb_of_the_home_about_no_directory(town: TownUnderTest, verb: str, odd: str) -> None:
    args = json.dumps({"dir": odd.format(town.directory)})
    assert refusal(answer(town, wire.HOME, verb=verb, args=args)) == "not_found"


@pytest.mark.parametrize(
    "args", ['{"a":' * 900 + "1" + "}" * 900, '{"a": ' + "[" * 99 + "]" * 99 + "}"]
)
def test_deep_arguments_are_refused_before_anybody_walks_through_them(
    town: TownUnderTest, args: str
) -> None:
    reply = answer(town, wire.HOME, args=args)
    assert "nested too deeply" in reply["error"]["message"]


def test_a_version_is_told_in_one_short_line(town: TownUnderTest) -> None:
    assert refusal(answer(town, wire.HOME, v="2\n\x1b[2J" * 1000)) == "bad_input"


def test_a_refusal_is_a_printable_line_whatever_stands_in_it() -> None:
    odd = "a\nb\x1b[31m\u202e\ud800" + "x" * 5000
    for error in (BadInput(odd, hint=odd), PlanError([{"line": 1, "message": odd, "hint": odd}])):
        text = wire.encode_error("id", error)
        text.encode()
        assert problem_of(json.loads(text), "id") == ""
    plain = json.loads(wire.encode_error("id", BadInput("Grüße: 'x'", hint="tt init")))
    assert (plain["error"]["message"], plain["error"]["hint"]) == ("Grüße: 'x'", "tt init")


def test_a_megabyte_is_no_slip_of_the_pen() -> None:
    start = time.process_time()
    assert did_you_mean("".join(map(chr, range(33, 123))) * (1 << 17), ["abab", "town.init"]) == ""
    assert len(shown("\n" * (8 << 20))) < 100
    # Comparing it took a second and half a gigabyte.
    assert time.process_time() - start < 0.3


def test_what_a_cli_said_on_stderr_can_be_stored() -> None:
    outcome = verdict(Transcript("claude"), 1, "\0oh \ud800 no\n")
    assert outcome.error is not None
    assert "\0" not in outcome.error
    outcome.error.encode()


def no(town: Town) -> Answer:
    add("never")(town)
    raise Conflict("not again")


async def test_a_command_that_was_done_is_not_refused_afterwards(
    client: Client, store: TownStore
) -> None:
    """The same id read twice before it was answered: the second would be refused by now."""
    first = await entry_in(client, store.id)
    await store.execute(first, answering(add("once")))
    reply = await reply_to(client, first)
    await store.execute(await entry_in(client, store.id, command=first.command), no)
    assert await reply_to(client, first) == reply
    assert len((await loaded(client, store.id)).tasks) == 1


async def test_an_answer_reaches_whoever_waits_though_the_stream_is_none_any_more(
    client: Client, blocking: Client, store: TownStore, tmp_path: Path
) -> None:
    entry = await entry_in(client, store.id)
    await client.delete(entry.stream)
    await client.set(entry.stream, "no stream")
    await store.answer(entry, "reply")
    assert await client.get(entry.done_key) == "reply"
