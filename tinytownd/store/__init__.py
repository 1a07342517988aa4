"""The store: every fact of a town in Redis. The only importer of redis."""
