"""``mistralrs bench``: how fast a model answers here, and what memory it takes."""
