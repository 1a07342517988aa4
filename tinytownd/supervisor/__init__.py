"""Supervision: one loop an agent, decisions apart from the I/O that carries them out."""
