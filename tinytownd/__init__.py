"""The daemon of a town. This file imports nothing: the client pays for every import."""
