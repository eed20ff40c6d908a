"""safetensors: the weight files of Hugging Face repositories."""
