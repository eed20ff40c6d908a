"""Tokenizers as Hugging Face's library saves them."""
