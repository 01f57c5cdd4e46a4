"""Cases of the autoencoder, the text encoder and the speech encoder."""

from __future__ import annotations

import torch

from engine.model.parity.case import Case
from engine.model.vae import VaeConfig, VideoAutoencoder
from engine.model.vae_parts import Stream
from engine.model.weights import assign


def build_vae(case: Case, model: str = "model", file: str = "weights.safetensors") -> VideoAutoencoder:
    """The case's autoencoder with its weights."""
    statistics = {name: case.config[name] for name in ("latents_mean", "latents_std")}
    with torch.device("meta"):
        vae = VideoAutoencoder(VaeConfig.from_json({**case.config[model], **statistics}))
    assign(vae, case.weights(file=file), file)
    return vae


def vae(case: Case) -> None:
    """Encoding of a clip, of one frame and of a still; decoding at once and in pieces."""
    model, video = build_vae(case), case.inputs["video"][0]
    case.check("latents", model.encode(video)[None])
    case.check("latents_first_frame_only", model.encode(video[:, :1])[None])
    case.check("latents_still_repeated_5", model.encode(video[:, :1].expand(-1, 5, -1, -1))[None])
    latents = case.inputs["latents"][0]
    case.check("decoded", model.decode(latents, Stream(before=None))[0][None])
    stream = Stream(before=None)
    for index, chunk in enumerate(latents.split(case.run["stream_chunks"], dim=1)):
        frames, stream = model.decode(chunk, stream)
        case.check(f"stream_decoded.chunk{index}", frames[None])
