"""The plan file, `tasks.toml`: read into a plan, and brought up to date with the town."""

from tinytownd.planfile.read import parse
from tinytownd.planfile.write import ids, update

__all__ = ["ids", "parse", "update"]
