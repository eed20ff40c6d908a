"""What config.json of VaultGemma says."""

from mistralrs.modelkit.config import OffsetNormConfig, Positive, Size


class VaultGemmaConfig(OffsetNormConfig):
    """config.json with the defaults of VaultGemma."""

    sliding_window_pattern: Size | None = 2
    query_pre_attn_scalar: Positive | None = 256
    attn_logit_softcapping: Positive | None = 50
    final_logit_softcapping: Positive | None = 30
