"""Files that clients upload and fetch again."""
