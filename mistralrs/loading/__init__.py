"""From a model reference to a model ready for the engine: locate, inspect, tokenizer, template, load."""
