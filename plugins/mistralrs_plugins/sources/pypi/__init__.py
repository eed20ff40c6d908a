"""Models inside wheels of a Python package index: a second home for models, through the user's own pip."""
