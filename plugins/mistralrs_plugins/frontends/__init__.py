"""Built-in commands, one folder each."""
