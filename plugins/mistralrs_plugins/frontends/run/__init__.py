"""``mistralrs run``: chat in the terminal, or answer one prompt."""
