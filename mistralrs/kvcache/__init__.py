"""The paged cache: which blocks are whose, which prefixes are known, and the memory behind them."""
