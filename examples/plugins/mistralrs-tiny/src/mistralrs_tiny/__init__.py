"""Tiny, a plugin of mistralrs."""
