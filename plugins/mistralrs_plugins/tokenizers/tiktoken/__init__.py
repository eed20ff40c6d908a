"""Vocabularies of tiktoken: one token and its rank a line."""
