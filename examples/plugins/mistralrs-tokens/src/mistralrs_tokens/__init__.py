"""Tokens, a plugin of mistralrs."""
