"""One function a verb, one file a noun: they decide, the store commits."""

from tinytownd.handlers import agents, backlog, conductor, home, messages, plans, tasks, towns

__all__ = ["agents", "backlog", "conductor", "home", "messages", "plans", "tasks", "towns"]
