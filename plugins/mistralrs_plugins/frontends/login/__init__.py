"""``mistralrs login``: keep a Hugging Face token for gated and private models."""
