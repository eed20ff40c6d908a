"""The Anthropic interface: messages."""
