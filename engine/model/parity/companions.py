"""Cases of the autoencoder, the text encoder and the speech encoder."""

from __future__ import annotations

import json

import torch

from engine.model import speech
from engine.model.parity.case import Case
from engine.model.speech import build_speech_encoder
from engine.model.text import TextConfig, build_text_encoder, encode_ids
from engine.model.vae import VaeConfig, VideoAutoencoder
from engine.model.vae_parts import Stream
from engine.model.weights import assign, empty_weights


def build_vae(case: Case, model: str = "model", file: str = "weights.safetensors") -> VideoAutoencoder:
    """The case's autoencoder with its weights."""
    statistics = {name: case.config[name] for name in ("latents_mean", "latents_std")}
    with empty_weights():
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


def t5(case: Case) -> None:
    """Each text in a batch of one; the reference's batch with padding differs by rounding only."""
    model, shape = case.config["model"], TextConfig.from_json(case.config["model"])
    assert model["shared_pos"] is False
    encoder = build_text_encoder(shape, case.weights(), "weights.safetensors")
    for index, length in enumerate(case.run["true_lengths"]):
        rows = encode_ids(encoder, case.inputs["ids"][index, :length].tolist())
        case.check(f"text{index}.context", rows)
        case.check(f"text{index}.context_alone", rows)


def build_speech(case: Case, folder: str) -> torch.nn.Module:
    """The speech encoder of a folder as the transformers library lays it out."""
    path = case.path / folder
    config = json.loads((path / "config.json").read_text())
    return build_speech_encoder(config, case.tensors(f"{folder}/model.safetensors"), "model.safetensors")


def wav2vec(case: Case) -> None:
    """Normalised waveform, hidden states, the 30 Hz grid, and frames picked from the given grid."""
    model = build_speech(case, case.config["model_dir"])
    waveform = speech.normalise(case.inputs["waveform"])
    states = speech.hidden_states(model, waveform)
    case.check("normalised_waveform", waveform[None])
    case.check("hidden_states_50hz", states)
    case.check("features_30hz", speech.to_grid(states))
    given = case.outputs["features_30hz"]
    for clip_frames in case.run["buckets_by_infer_frames"]:
        frames = (int(given.shape[1] / (int(clip_frames) * 1.2)) + 1) * int(clip_frames)
        name = f"bucket{clip_frames}"
        index = speech.grid_index(frames)
        case.check(f"{name}.index", index, demand="index")
        case.check(f"{name}.is_padding", (index >= given.shape[1]).to(torch.uint8), demand="index")
        case.check(f"{name}.embeddings", speech.pick_frames(given, frames)[None], demand="index")
