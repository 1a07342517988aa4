"""Sends messages with the client that `tt` is made of, many in one process, which may be killed.

Reads one JSON object a line (the arguments of `message.send`) and answers each with its exit code.
"""

from __future__ import annotations

import json
import sys

from tinytown_cli import client
from tinytownd.domain.errors import OK, TownError


def tell(letter: dict[str, object]) -> tuple[int, str]:
    """The exit code that `tt` would have, and what it would say."""
    try:
        client.town("message.send", **letter)
    except TownError as error:
        return error.exit_code, error.message
    return OK, ""


def main() -> None:
    """Until there is no more to send."""
    for line in sys.stdin:
        print(json.dumps(tell(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
