"""Kinds of tokenizer file."""
