"""Models on the Hugging Face hub, or on a server that speaks its protocol."""
