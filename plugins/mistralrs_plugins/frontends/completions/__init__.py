"""``mistralrs completions``: what makes a shell complete this command."""
