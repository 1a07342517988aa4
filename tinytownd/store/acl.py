"""Who may do what in the store: one user for people, one for each agent, everything else refused.

ACL rules as in https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/; braces
are plain text in its patterns. Users are not persisted by the server: set them at every connect.
SELECT is for servers whose URL names a database.
"""

from __future__ import annotations

import hashlib
import re

from tinytownd.store.keys import WAKE_PATTERN

_ID = re.compile(r"[a-z0-9-]+")  # what a generated id is made of: no glob character gets in


def digest(password: str) -> str:
    """A password as the server keeps it: `#` and the hex of its SHA-256."""
    return "#" + hashlib.sha256(password.encode()).hexdigest()


def client_acl(user: str, password: str) -> list[str]:
    """The command that makes the user for people: commands in, replies and events out."""
    return [
        *_set_user(user, password),
        *("%W~tt:{*}:commands", "%R~tt:{*}:done:*", "%R~tt:{*}:events", "&tt:{*}:reply:*"),
        *("+xadd", "+xread", "+xrange", "+xrevrange", "+get", "+subscribe", "+ping", "+select"),
    ]


def agent_acl(user: str, password: str, town: str, agent: str) -> list[str]:
    """The command that makes one agent's user: its own stream and the replies to it.

    Raises ValueError when an id could be read as a pattern.
    """
    if not (_ID.fullmatch(town) and _ID.fullmatch(agent)):
        raise ValueError(f"not generated ids: {town!r}, {agent!r}")
    prefix = f"tt:{{{town}}}"
    return [
        *_set_user(user, password),
        f"%W~{prefix}:commands:{agent}",
        f"%R~{prefix}:done:{agent}:*",
        f"&{prefix}:reply:{agent}:*",
        *("+xadd", "+get", "+subscribe", "+ping", "+select"),
    ]


def daemon_acl(user: str, password: str) -> list[str]:
    """The command that makes a user for the daemon on a server that is not its own.

    Keys and channels of others are out of reach; but who may make users may make a mightier one.
    """
    return [
        *_set_user(user, password),
        # A subscription to a pattern is allowed by the very same pattern only.
        *("~tt:*", "&tt:*", f"&{WAKE_PATTERN}", "+@read", "+@write", "-@dangerous", "-@scripting"),
        *("+eval", "+evalsha", "+script|load", "+script|exists", "+multi", "+exec", "+discard"),
        *("+publish", "+subscribe", "+psubscribe", "+unsubscribe", "+punsubscribe"),
        *("+ping", "+select", "+info", "+client|id", "+client|unblock"),
        *("+acl|setuser", "+acl|deluser", "+acl|getuser"),
    ]


def _set_user(user: str, password: str) -> list[str]:
    return ["ACL", "SETUSER", user, "reset", "on", digest(password)]
