"""The connection that is kept for requests one after the other."""

from __future__ import annotations

import pytest
from redis.exceptions import ResponseError

from tinytownd.store.client import Client
from tinytownd.store.line import line_of


async def test_a_refusal_among_several_requests_leaves_the_others(client: Client) -> None:
    line = line_of(client)
    said, refused, read = await line.ask_all(
        ("SET", "line:a", "1"), ("INCRBY", "line:a", "word"), ("GET", "line:a")
    )
    assert (said, read) == ("OK", "1")
    assert isinstance(refused, ResponseError)
    with pytest.raises(ResponseError, match="not an integer"):
        await line.ask("INCRBY", "line:a", "word")
    assert await line.ask("GETDEL", "line:a") == "1"
