"""ggml: the LLaMA files of llama.cpp before GGUF."""
