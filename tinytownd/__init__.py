"""The daemon of a town. This file imports nothing: the client pays for every import."""

__version__ = "0.1.0"
