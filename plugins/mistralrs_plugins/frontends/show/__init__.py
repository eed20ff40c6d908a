"""``mistralrs show``: what a model is, and the memory it will take."""
