"""Mistral's tekken.json."""
