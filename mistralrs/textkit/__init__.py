"""Parts of tokenizers that several plugins build from: a vocabulary in some file becomes a ``tokenizers.Tokenizer``.

No torch. Whoever reads a file checks its fields; what is built here may rely on them.
"""
