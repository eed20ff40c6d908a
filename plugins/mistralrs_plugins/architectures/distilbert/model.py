"""DistilBERT = BERT without token types, under shorter names (arXiv 1910.01108)."""

from dataclasses import replace

from mistralrs.modelkit.encoder import classifier, normed_sum_encoder

build = normed_sum_encoder(
    "distilbert",
    layers="transformer.layer",
    mlp_in="ffn",
    qkv=("q_lin", "k_lin", "v_lin"),
    out="out_lin",
    mlp=("lin1", "lin2"),
    norms=("sa_layer_norm", "output_layer_norm"),
)
classify = replace(build, head=classifier("pre_classifier", "classifier", activation="relu"))
