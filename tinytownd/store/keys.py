"""Every key and channel of the store, with type, owner and lifetime.

`{id}` is a town's generated id as a Redis hash tag: a town lives in one cluster slot. No name
ever enters a key: names, task ids and texts are fields and values.

| key | type | written by | lifetime |
| --- | --- | --- | --- |
| `tt:{id}:town` | hash: revision, tx, meta, format | daemon | the town's |
| `tt:{id}:agents`, `:tasks`, `:messages`, `:rounds` | hash: id → JSON | daemon | the town's |
| `tt:{id}:plans` | hash: id → JSON | daemon | the town's |
| `tt:{id}:archive` | hash: chunk → records, as `archive.py` packs them | daemon | the town's |
| `tt:{id}:archived` | hash: id of a task in there → chunk | daemon | the town's |
| `tt:{id}:events` | stream: event | daemon | the last 100,000, about |
| `tt:{id}:commands` | stream: a command's fields | people | until answered |
| `tt:{id}:commands:<agent id>` | the same | that agent | until answered |
| `tt:{id}:done:[<agent id>:]<command id>` | string: the reply | daemon | a day; reads a minute |

| channel | says |
| --- | --- |
| `tt:{id}:reply:[<agent id>:]<command id>` | the reply itself |
| `tt:{id}:wake:<agent id>` | look now |
"""

from __future__ import annotations

from tinytownd.wire import commands_key, done_key, events_key, reply_channel

__all__ = ["commands_key", "done_key", "events_key", "reply_channel"]

#: The consumer group of the command streams, and its one consumer.
GROUP = "daemon"
CONSUMER = "daemon"
#: All wake channels of all towns, for PSUBSCRIBE.
WAKE_PATTERN = "tt:{*}:wake:*"
RECORD_KINDS = ("agents", "tasks", "messages", "rounds", "plans")


def town_key(town: str) -> str:
    """The hash that holds the town's revision and its own record."""
    return f"tt:{{{town}}}:town"


def records_key(town: str, kind: str) -> str:
    """The hash of all records of a kind: id → JSON."""
    return f"tt:{{{town}}}:{kind}"


def archive_key(town: str) -> str:
    """The hash of what was put away: a chunk's name → its records."""
    return f"tt:{{{town}}}:archive"


def archived_key(town: str) -> str:
    """The hash of the tasks that were put away: id → the name of the chunk."""
    return f"tt:{{{town}}}:archived"


def wake_channel(town: str, agent: str) -> str:
    """Where an agent's supervisor is told to look."""
    return f"tt:{{{town}}}:wake:{agent}"


def parse_wake(channel: str) -> tuple[str, str]:
    """The town and the agent id of a wake channel."""
    head, _, agent = channel.partition("}:wake:")
    return head.removeprefix("tt:{"), agent


def parse_commands(key: str) -> tuple[str, str]:
    """The town and the agent id (empty: people) of a command stream."""
    head, _, agent = key.partition("}:commands")
    return head.removeprefix("tt:{"), agent.removeprefix(":")
