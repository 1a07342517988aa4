"""Message: the client's XADD → readable in the recipient's inbox.

The sender listens before it writes, as `tt send` does, and the daemon announces the reply once the
message is in the recipient's record: from then on every `inbox` shows it.
The floor is one XADD round trip from Python, by redis-py; beside it stands that of a bare socket,
with which the sender speaks itself.
"""

from __future__ import annotations

import itertools

import redis

from tests.benchmarks.figures import Figure, interleaved, median, percentile, timed
from tests.benchmarks.place import Bench, bench
from tests.e2e.town import CONFIG
from tinytown_cli import places
from tinytown_cli.transport import Link
from tinytownd import wire

TURNS, SHORT_TURNS = 2_000, 300
#: Who gets them, in turn: nobody reads here, and beyond fifty notes the oldest are folded into one.
RECIPIENTS = 40


class Sender:
    """A client that stays connected: what it measures is the town, not the start of a process."""

    def __init__(self, one: Bench, to: list[str]) -> None:
        endpoint = places.ready_endpoint()
        assert endpoint is not None
        address = endpoint.address
        self._link = Link(address)
        self._client = redis.Redis(
            unix_socket_path=address.socket,
            username=address.user,
            password=address.password,
            protocol=3,
        )
        self._nobody = wire.commands_key(f"nobody-{one.id}")
        self._bench = one
        self._to = itertools.cycle(to)

    def bare(self) -> float:
        """An entry into a stream that nobody reads, by the sender's own socket. Seconds."""
        return timed(lambda: self._link.ask("XADD", self._nobody, "*", "f", "x" * 200))

    def add(self) -> float:
        """The floor: the same by redis-py. Seconds."""
        return timed(lambda: self._client.xadd(self._nobody, {"f": "x" * 200}))

    def close(self) -> None:
        """Ends the connections."""
        self._link.close()
        self._client.close()

    def send(self) -> float:
        """A message, until its reply is announced. Seconds."""
        town, command = self._bench.id, wire.command_id()
        channel = wire.reply_channel(town, command)
        self._link.ask("SUBSCRIBE", channel)
        args: dict[str, object] = {"to": next(self._to), "text": "x" * 200, "kind": "info"}
        fields = wire.encode_command("message.send", args, command=command)
        words = [word for pair in fields for word in pair]
        return timed(lambda: self._until_told(["XADD", wire.commands_key(town), "*", *words]))

    def _until_told(self, command: list[str]) -> None:
        self._link.write(command)
        while True:
            said = self._link.read(10)
            if isinstance(said, list) and said[0] == "message":
                assert '"ok": true' in said[2], said
                return


def measure(short: bool) -> list[Figure]:
    """p50 and p99, each beside that of one XADD."""
    with bench(CONFIG.replace("[town]", f"[town]\nmax_agents = {RECIPIENTS}")) as one:
        names = one.spawn(RECIPIENTS, "scripted")
        for name in names:
            one.send("agent.interrupt", name=name)
        sender = Sender(one, names)
        turns = SHORT_TURNS if short else TURNS
        add, bare, send = interleaved(turns, sender.add, sender.bare, sender.send)
        sender.close()
    about = "one XADD by redis-py"
    return [
        Figure("p50", median(send), "s", 8, median(add), about),
        Figure("p50, by itself", median(send) * 1000, "ms", 1.0),
        Figure("p99", percentile(send, 0.99), "s", 20, median(add), f"{about}, p50"),
        Figure(
            "p50, the floor by a bare socket", median(send), "s", None, median(bare), "one XADD"
        ),
    ]
