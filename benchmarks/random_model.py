"""Writes a GGUF file with the shape of Llama 3.2 1B and random weights, to measure speed on: 0.8 GB in Q4_K_M.

    python -m benchmarks.random_model TARGET --tokenizer FILE.gguf [--layers 16]

Quantized values and small scales are any bits. Factors are drawn from a range (``--factor``, times the type's own) such
that weights are about 0.02 in size and centred on zero. Which tensors get six bits is the rule of Q4_K_M: values and
down projections of the first and last eighth of the layers and of every third between, and the token table. The
tokenizer is copied from another file and filled up, so that every engine opens the result.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFReader, GGUFWriter
from numpy.typing import NDArray

WIDTH, INNER, HEADS, KV_HEADS, HEAD_DIM, VOCAB = 2048, 8192, 32, 8, 64, 128256


def random_blocks(rng: np.random.Generator, kind: Type, rows: int, width: int, factor: float) -> NDArray[np.uint8]:
    """Rows of random blocks whose factors lie between ``factor / 2`` and ``factor`` times 1e-4 (Q4_K) or 1e-5."""
    size, count = (144, rows * width // 256) if kind is Type.Q4_K else (210, rows * width // 256)
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    scale = rng.uniform(factor / 2, factor, count) * (1e-4 if kind is Type.Q4_K else 1e-5)
    if kind is Type.Q4_K:
        # The minimum's factor centres the weights: values are 7.5 on average, both small scales the same.
        blocks[:, 0:2] = scale.astype(np.float16)[:, None].view(np.uint8)
        blocks[:, 2:4] = (7.5 * scale).astype(np.float16)[:, None].view(np.uint8)
    else:
        blocks[:, 208:210] = scale.astype(np.float16)[:, None].view(np.uint8)
    return blocks.reshape(rows, -1)


def six_bits(layer: int, layers: int) -> bool:
    """Whether Q4_K_M keeps a layer's values and down projection in six bits."""
    eighth = layers // 8
    return layer < eighth or layer >= layers - eighth or (layer - eighth) % 3 == 2


def copy_tokenizer(writer: GGUFWriter, file: Path) -> None:
    """The other file's tokenizer, with its vocabulary filled up with tokens that no text gives."""
    fields = GGUFReader(file).fields
    writer.add_tokenizer_model(fields["tokenizer.ggml.model"].contents())
    if "tokenizer.ggml.pre" in fields:
        writer.add_tokenizer_pre(fields["tokenizer.ggml.pre"].contents())
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    more = VOCAB - len(tokens)
    writer.add_token_list([*tokens, *(f"<unused {i}>" for i in range(more))])
    writer.add_token_types([*types, *[5] * more])
    writer.add_token_merges(fields["tokenizer.ggml.merges"].contents())
    writer.add_bos_token_id(fields["tokenizer.ggml.bos_token_id"].contents())
    writer.add_eos_token_id(fields["tokenizer.ggml.eos_token_id"].contents())


def write(target: Path, tokenizer: Path, layers: int, factor: float) -> None:
    """Write the file."""
    rng = np.random.default_rng(0)
    writer = GGUFWriter(target, "llama")
    writer.add_name("random")
    writer.add_context_length(131072)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(500000.0)
    writer.add_vocab_size(VOCAB)
    copy_tokenizer(writer, tokenizer)

    def matrix(name: str, rows: int, width: int, kind: Type) -> None:
        writer.add_tensor(f"{name}.weight", random_blocks(rng, kind, rows, width, factor), raw_dtype=kind)

    def norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))

    matrix("token_embd", VOCAB, WIDTH, Type.Q6_K)
    norm("output_norm")
    for layer in range(layers):
        name, more = f"blk.{layer}", Type.Q6_K if six_bits(layer, layers) else Type.Q4_K
        norm(f"{name}.attn_norm")
        matrix(f"{name}.attn_q", WIDTH, WIDTH, Type.Q4_K)
        matrix(f"{name}.attn_k", KV_HEADS * HEAD_DIM, WIDTH, Type.Q4_K)
        matrix(f"{name}.attn_v", KV_HEADS * HEAD_DIM, WIDTH, more)
        matrix(f"{name}.attn_output", WIDTH, WIDTH, Type.Q4_K)
        norm(f"{name}.ffn_norm")
        matrix(f"{name}.ffn_gate", INNER, WIDTH, Type.Q4_K)
        matrix(f"{name}.ffn_up", INNER, WIDTH, Type.Q4_K)
        matrix(f"{name}.ffn_down", WIDTH, INNER, more)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """Parse the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path)
    parser.add_argument("--tokenizer", type=Path, required=True, help="a GGUF file whose tokenizer to copy")
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--factor", type=float, default=1.0, help="largest block factor, in units of its type")
    args = parser.parse_args()
    write(args.target, args.tokenizer, args.layers, args.factor)


if __name__ == "__main__":
    main()
