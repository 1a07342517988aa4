"""`tt`: writes a command into a Redis stream and prints the reply."""
