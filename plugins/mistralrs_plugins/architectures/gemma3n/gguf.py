"""Gemma 3n in GGUF: the streams' projections are one tensor each, and gates are cut off by deviations."""

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

from mistralrs.checkpoint import TensorInfo
from mistralrs.modelkit.shared_gguf import SHARED_CONFIG, SHARED_TENSORS, SharedGgufMap


class Gemma3nGgufMap(SharedGgufMap):
    """What the metadata says otherwise than config.json, or not at all."""

    def to_config(self, metadata: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
        """See :meth:`mistralrs.modelkit.GgufMap.to_config`."""
        found = super().to_config(metadata, tensors)
        deviations = metadata.get("gemma3n.activation_sparsity_scale")
        if isinstance(deviations, list) and all(isinstance(each, float) for each in deviations):
            found["activation_sparsity_pattern"] = [NormalDist().cdf(each) for each in deviations]
        low_rank = tensors.get("blk.0.laurel_l.weight")
        if low_rank is not None and low_rank.shape:
            found["laurel_rank"] = low_rank.shape[0]
        return found


GGUF = Gemma3nGgufMap(
    config={
        **SHARED_CONFIG,
        "altup_num_inputs": "{arch}.altup.num_inputs",
        "altup_active_idx": "{arch}.altup.active_idx",
    },
    tensors={
        **SHARED_TENSORS,
        "model.altup_projections": "altup_proj",
        "model.altup_unembed_projections": "altup_unembd_proj",
        "altup.correction_coefs": "altup_correct_coef",
        "altup.correct_output_scale": "altup_correct_scale.weight",
        "altup.prediction_coefs": "altup_predict_coef",
        "altup.modality_router": "altup_router",
        "altup.router_norm": "altup_router_norm",
        "laurel.linear_left": "laurel_l",
        "laurel.linear_right": "laurel_r",
        "laurel.post_laurel_norm": "laurel_post_norm",
    },
)
