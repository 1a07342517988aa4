"""How the real claude and the real codex are started and pointed at the loopback server.

They are pointed by environment and files in a home of their own: argv stays the product's.
"""

from __future__ import annotations

import os
from pathlib import Path

CODEX_CONFIG = """\
model_provider = "loopback"
check_for_update_on_startup = false

[model_providers.loopback]
name = "loopback"
base_url = "{url}/v1"
env_key = "LOOPBACK_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0

[analytics]
enabled = false
"""


def agent_env(home: Path, url: str, path: list[Path]) -> dict[str, str]:
    """The environment in which claude and codex talk to `url` and to nothing else.

    `home` is made and gets codex's configuration; `path` goes before the usual programs on PATH.
    """
    codex_home = home / ".codex"
    codex_home.mkdir(parents=True, exist_ok=True)
    (codex_home / "config.toml").write_text(CODEX_CONFIG.format(url=url))
    return {
        "HOME": str(home),
        "PATH": os.pathsep.join([*map(str, path), os.environ.get("PATH", os.defpath)]),
        "LANG": "C.UTF-8",
        **_claude_env(url),
        "LOOPBACK_KEY": "dummy",
        # A proxy of the machine would be asked for the loopback address, too.
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def _claude_env(url: str) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "dummy",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "0",
        "DISABLE_AUTOUPDATER": "1",
        # claude refuses to skip permissions as root unless it is told that it runs in a sandbox.
        "IS_SANDBOX": "1",
    }
