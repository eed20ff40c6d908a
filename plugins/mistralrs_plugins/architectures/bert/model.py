"""BERT = an encoder with a norm over every sum, that adds positions and token types in its entry (arXiv 1810.04805)."""

from dataclasses import replace

from mistralrs.modelkit.encoder import classifier, normed_sum_encoder

build = normed_sum_encoder(
    "bert",
    layers="encoder.layer",
    qkv=("self.query", "self.key", "self.value"),
    out="output.dense",
    mlp=("intermediate.dense", "output.dense"),
    norms=("attention.output.LayerNorm", "output.LayerNorm"),
)
classify = replace(build, head=classifier("bert.pooler.dense", "classifier"))
