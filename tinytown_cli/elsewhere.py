"""Commands of the Rust tinytown (0.10) that this one has not, and what there is instead of each."""

from __future__ import annotations

#: What is said of the word that was typed. `kill` and `wait` are there, and differ: their pages say
#: how.
GONE = {
    "tasks": "tt task list shows them, tt status counts them",
    "bootstrap": "the server comes with the installation, tt doctor shows it",
    "mission": 'tt conductor goal "TEXT" has the conductor plan it, and the town carry it out',
    "auth": "nothing of it listens on the network, so that there are no keys",
    "help": "tt --help lists the commands, tt COMMAND --help explains one",
    "agent-loop": "the daemon supervises the agents, tt spawn adds one",
}
