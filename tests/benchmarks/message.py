"""Message: the client's XADD → readable in the recipient's inbox.

The sender listens before it writes, as `tt send` does, and the daemon announces the reply once the
message is in the recipient's record: from then on every `inbox` shows it.
"""

from __future__ import annotations

from tests.benchmarks.figures import Figure, interleaved, median, percentile, timed
from tests.benchmarks.place import Bench, bench
from tinytown_cli import places
from tinytown_cli.transport import Link
from tinytownd import wire

TURNS, SHORT_TURNS = 2_000, 300


class Sender:
    """A client that stays connected: what it measures is the town, not the start of a process."""

    def __init__(self, one: Bench, to: str) -> None:
        endpoint = places.ready_endpoint()
        assert endpoint is not None
        self._link = Link(endpoint.address)
        self._bench = one
        self._to = to

    def add(self) -> float:
        """The floor: an entry into a stream that nobody reads. Seconds."""
        key = wire.commands_key(f"nobody-{self._bench.id}")
        return timed(lambda: self._link.ask("XADD", key, "*", "f", "x" * 200))

    def send(self) -> float:
        """A message, until its reply is announced. Seconds."""
        town, command = self._bench.id, wire.command_id()
        self._link.ask("SUBSCRIBE", wire.reply_channel(town, command))
        args: dict[str, object] = {"to": self._to, "text": "x" * 200, "kind": "info"}
        fields = wire.encode_command("message.send", args, command=command)
        words = [word for pair in fields for word in pair]
        seconds = timed(lambda: self._until_told(["XADD", wire.commands_key(town), "*", *words]))
        return seconds

    def _until_told(self, command: list[str]) -> None:
        self._link.write(command)
        while True:
            said = self._link.read(10)
            if isinstance(said, list) and said[0] == "message":
                assert '"ok": true' in said[2], said
                return


def measure(short: bool) -> list[Figure]:
    """p50 and p99, each beside that of one XADD."""
    with bench() as one:
        (name,) = one.spawn(1, "scripted")
        one.send("agent.interrupt", name=name)
        sender = Sender(one, name)
        add, send = interleaved(SHORT_TURNS if short else TURNS, sender.add, sender.send)
    about = "one XADD"
    return [
        Figure("p50", median(send), "s", 8, median(add), about),
        Figure("p50, by itself", median(send) * 1000, "ms", 1.0),
        Figure("p99", percentile(send, 0.99), "s", 20, median(add), f"{about}, p50"),
    ]
