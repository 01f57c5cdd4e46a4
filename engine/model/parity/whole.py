"""The end-to-end case: picture, voice and text rows to frames, with the published semantics."""

from __future__ import annotations

import torch

from engine.model import speech
from engine.model.parity.case import Case
from engine.model.parity.companions import build_speech, build_vae
from engine.model.parity.network import build
from engine.model.reference import ReferenceRun, ReferenceVideo


def end_to_end(case: Case) -> None:
    """Offline (one sink) and with online decode (sink renewed after the first clip)."""
    run = case.run
    transformer = build(case, "dit.safetensors")
    vae = build_vae(case, "vae", "vae.safetensors")
    features = _features(case)
    case.check("audio_features", features[None])
    image = case.inputs["image_u8"].permute(2, 0, 1).float() / 255 * 2 - 1
    case.check("image", image, want=case.inputs["image"])
    reference = ReferenceRun(
        transformer, vae, run["denoise_steps"], distance=lambda _block, _step: run["reference_rope_distance"]
    )
    for mode in ("offline", "online_decode"):
        video = reference.video(
            case.inputs["image"], case.inputs["text_embeddings"], features, case.inputs["noise"],
            online_decode=mode == "online_decode",
        )  # fmt: skip
        _check_video(case, mode, video)


def _features(case: Case) -> torch.Tensor:
    model = build_speech(case, case.config["wav2vec_dir"])
    states = speech.hidden_states(model, speech.normalise(case.inputs["waveform"]))
    return speech.pick_frames(speech.to_grid(states), case.run["clips"] * case.run["infer_frames"])


def _check_video(case: Case, mode: str, video: ReferenceVideo) -> None:
    case.check(f"{mode}.latents", torch.stack(video.latents))
    sampled = case.outputs["frames_sampled_index"]
    case.seen.add("frames_sampled_index")  # says which frames to compare
    case.check(f"{mode}.frames_sampled", video.frames[:, sampled])
    flat = video.frames.transpose(0, 1).flatten(1)
    case.check(f"{mode}.frame_mean_std", torch.stack([flat.mean(1), flat.std(1)], dim=1))
    case.check("frames_out", torch.tensor(video.frames.shape[1]), want=torch.tensor(case.run["frames_out"]))
    if mode == "offline":
        case.check("ref_latent", video.sinks[0][0][None])
        case.check("motion_latents_last19", video.sinks[0][1][None])
        case.check("offline.model_output.block0", video.velocities[0])
        case.check("offline.model_output.last_block", video.velocities[-1])
    else:
        case.check("online_decode.ref_latent.clip1", video.sinks[1][0][None])
        case.check("online_decode.motion_latents_last19.clip1", video.sinks[1][1][None])
