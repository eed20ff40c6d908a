"""What files of BERT say."""

from mistralrs.modelkit.encoder import EncoderConfig


class BertConfig(EncoderConfig):
    """config.json with the defaults of BERT."""

    type_vocab_size: int = 2
    max_position_embeddings: int = 512
