"""The OpenAI interface: chat and text completions."""
