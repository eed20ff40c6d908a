"""Routes of no particular interface: health, models, text."""
