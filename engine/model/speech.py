"""Voice to speech features: 25 hidden states of a wav2vec2 encoder, one vector each per video frame.

Shapes: N samples at 16 kHz, A feature width, t50/t30 frames at 50 and 30 per second, t video frames at 25 per second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.catalog import BLOCK_FRAMES, FPS, SPEECH_RATE
from engine.errors import WeightsError
from engine.model.config import SPEECH_LAYERS
from engine.model.weights import assign, empty_weights

T = TypeVar("T")
FEATURE_RATE = 50  # frames per second of the encoder
_SAMPLES_PER_FRAME = SPEECH_RATE // FPS
GRID_RATE = 30  # the published code resamples to 30 per second before it picks video frames
_VARIANCE_FLOOR = 1e-7  # of the published normalisation

# The encoder's attention grows with the square of the length. Up to this length a voice is heard in one piece, as the
# published code does; a longer one in windows that overlap, so that time and memory stay flat.
WINDOW_S = 120
OVERLAP_S = 5
_TAIL_S = 0.12  # silence that is heard behind the last frame: an encoder's frame looks ahead


def build_speech_encoder(config: dict[str, Any], tensors: dict[str, Tensor], name: str) -> nn.Module:
    """The transformers class with weights under the public file's names (`wav2vec2.…`), without copying."""
    model = _empty_encoder(config)
    assign(model, used_tensors(tensors), name)
    return model


def expected_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """What `used_tensors` of a fitting file gives: name -> shape."""
    return {name: tuple(value.shape) for name, value in _empty_encoder(config).state_dict().items()}


def used_tensors(tensors: Mapping[str, T]) -> dict[str, T]:
    """What the encoder uses of a public file (no words, nothing of training), under the library's names."""
    return {
        _library_name(key.removeprefix("wav2vec2.")): value
        for key, value in tensors.items()
        if key.startswith("wav2vec2.") and not key.endswith("masked_spec_embed")
    }


def _empty_encoder(config: dict[str, Any]) -> nn.Module:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    calm = {"apply_spec_augment": False, "mask_time_prob": 0.0, "mask_feature_prob": 0.0}
    try:
        shape = Wav2Vec2Config(**{**config, **calm})
        with empty_weights():
            return Wav2Vec2Model(shape)
    except (StrictDataclassError, TypeError, ValueError, KeyError, ArithmeticError, AttributeError, RuntimeError) as error:
        what = f"the speech encoder's config.json describes no network: {error}."
        raise WeightsError(what, hint="Use the published one.", problem="bad_config") from error


def normalise(waveform: Tensor) -> Tensor:
    """[N] -> [N] with zero mean and unit variance over the whole voice."""
    return (waveform - waveform.mean()) / torch.sqrt(waveform.var(correction=0) + _VARIANCE_FLOOR)


def hidden_states(model: nn.Module, waveform: Tensor) -> Tensor:
    """Normalised waveform [N] -> [25, t50, A].

    The last entry is taken after the encoder's final norm, where some library versions list it before; the output
    called `last_hidden_state` is after it in all of them.
    """
    out = model(waveform[None].to(next(model.parameters()).dtype), output_hidden_states=True)
    states = torch.cat([*out.hidden_states[:-1], out.last_hidden_state])
    assert states.shape[0] == SPEECH_LAYERS, f"{states.shape[0]} hidden states"
    return states


def to_grid(states: Tensor) -> Tensor:
    """[25, t50, A] -> [25, t30, A]: linear in time, ends aligned."""
    length = int(states.shape[1] / FEATURE_RATE * GRID_RATE)
    resized = F.interpolate(states.transpose(1, 2), size=length, mode="linear", align_corners=True)
    return resized.transpose(1, 2).float()


def grid_index(frames: int) -> Tensor:
    """Row of the 30 Hz grid for each of `frames` video frames: 1.2 i, rounded (there are no ties)."""
    return (torch.arange(frames) * 2 * GRID_RATE + FPS) // (2 * FPS)


def pick_frames(grid: Tensor, frames: int) -> Tensor:
    """[25, t30, A] -> [25, A, frames]; frames beyond the end are zeros."""
    index = grid_index(frames).to(grid.device)
    picked = grid[:, index.clamp(max=grid.shape[1] - 1)]
    picked = picked * (index < grid.shape[1])[None, :, None]
    return picked.transpose(1, 2).contiguous()


def hear(model: nn.Module, waveform: Tensor) -> Tensor:
    """Voice [N] -> features [25, A, t] for all video frames of the blocks that the voice reaches into.

    What lies beyond its end in the last block is heard as silence. The published code has zeros there, in place of
    features: no sound makes such, and a mouth that has closed opens again.
    """
    frames = -(-waveform.numel() // (BLOCK_FRAMES * _SAMPLES_PER_FRAME)) * BLOCK_FRAMES
    total = frames * _SAMPLES_PER_FRAME + round(_TAIL_S * SPEECH_RATE)
    waveform = F.pad(normalise(waveform), (0, total - waveform.numel()))
    if frames <= WINDOW_S * FPS:
        states = hidden_states(model, waveform)
    else:
        states = torch.cat([_window(model, waveform, s) for s in range(0, _seconds(waveform), WINDOW_S)], dim=1)
    return pick_frames(to_grid(states), frames)


def block_features(features: Tensor, block: int) -> Tensor:
    """[25, A, t] -> the 12 video frames of a block [25, A, 12]; zeros beyond the end of the voice."""
    piece = features[..., block * BLOCK_FRAMES : (block + 1) * BLOCK_FRAMES]
    return F.pad(piece, (0, BLOCK_FRAMES - piece.shape[-1]))


def _seconds(waveform: Tensor) -> int:
    return -(-waveform.numel() // SPEECH_RATE)


def _window(model: nn.Module, waveform: Tensor, start_s: int) -> Tensor:
    """Hidden states of one window, heard with some seconds on either side that are cut away again."""
    lead = OVERLAP_S if start_s else 0
    piece = waveform[(start_s - lead) * SPEECH_RATE : (start_s + WINDOW_S + OVERLAP_S) * SPEECH_RATE]
    states = hidden_states(model, F.pad(piece, (0, max(0, SPEECH_RATE - piece.numel()))))
    return states[:, lead * FEATURE_RATE : (lead + WINDOW_S) * FEATURE_RATE]


def _library_name(key: str) -> str:
    """Weight normalisation is spelled `weight_g`, `weight_v` in the public file."""
    for old, new in (
        ("weight_g", "parametrizations.weight.original0"),
        ("weight_v", "parametrizations.weight.original1"),
    ):
        if key.endswith(f"pos_conv_embed.conv.{old}"):
            return key.removesuffix(old) + new
    return key
