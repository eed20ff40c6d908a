"""An LLM inference engine in which everything is a plugin."""

__version__ = "0.1.0"
