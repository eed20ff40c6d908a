"""RoBERTa = BERT with a table of positions that begins behind the padding's, and other heads (arXiv 1907.11692)."""

from dataclasses import replace

from mistralrs.modelkit.encoder import classifier, normed_sum_encoder, typed_entry

build = normed_sum_encoder(
    "roberta",
    layers="encoder.layer",
    qkv=("self.query", "self.key", "self.value"),
    out="output.dense",
    mlp=("intermediate.dense", "output.dense"),
    norms=("attention.output.LayerNorm", "output.LayerNorm"),
    entry=typed_entry(first_position=lambda cfg: cfg.pad_token_id + 1),
)
classify = replace(build, head=classifier("classifier.dense", "classifier.out_proj"))
