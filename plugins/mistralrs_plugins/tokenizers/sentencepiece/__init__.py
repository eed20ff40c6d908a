"""SentencePiece models (``tokenizer.model``): byte-pair and unigram."""
