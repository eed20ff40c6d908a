"""Sizes that kernels and the programs around them must agree on. Imports no numba."""

ROWS = 8
"""Weight rows side by side in a packed weight."""

TILE_BYTES = 40
"""Scratch memory for each value of a weight row: 16 unpacked rows take 32 bytes and up to 8 for scales and minima."""

DRAW_GROUP = 64
"""Logits that are looked at together."""

DRAW_SETTINGS = 5
"""Numbers that say how a row's token is chosen."""

DRY_LONGEST_MATCH = 50
"""How far DRY looks back from a repetition."""

BINS = 4096
"""Into so many bins logits are sorted roughly."""

PIECE = 65536
"""Logits of a row, at most, that one thread looks at by itself while others look at the rest."""

PIECE_BYTES = 32 + 4 * DRAW_GROUP + 160
"""Memory for what is found of a piece, and a group of it."""

SEGMENT = 256
"""Keys whose weighted sum attention takes by itself, a multiple of its tiles."""

ITEM_WORDS, MERGE_WORDS = 8, 3
"""Integers that describe an item of attention, and one that has to be put together."""

SLICE = 512
"""Elements of a row in one chunk of an element-wise kernel; a multiple of the activations' blocks."""

ACTIVATIONS = ("silu", "gelu", "gelu_pytorch_tanh", "quick_gelu", "relu", "relu2", "sigmoid", "tanh")
"""Functions of one number that have a kernel, alone and times another."""

GATES = ("clamped_swiglu",)
"""Functions of a gate and what passes through it that are more than a product."""

PRODUCT_WORDS = 16
"""Arguments of a product."""

EXPERT_WORDS = 24
"""Words in which the arguments of one expert's product are put together, a multiple of 8."""
