"""The agent CLIs: a catalogue as data, one process, one reader a transcript format."""
