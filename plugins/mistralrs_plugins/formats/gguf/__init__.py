"""GGUF: one file with weights, hyperparameters, tokenizer and chat template."""
