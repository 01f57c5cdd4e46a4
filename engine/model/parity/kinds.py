"""Which check a case asks for, by the `kind` in its configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from engine.model.parity import companions, network, numbers, whole
from engine.model.parity.case import Case, Result

KINDS: dict[str, Callable[[Case], None]] = {
    "audio_projector": network.audio_projector,
    "audio_injection": network.audio_injection,
    "frame_packer": network.frame_packer,
    "dit": network.dit,
    "sampler": numbers.sampler,
    "lora": numbers.merged_adapter,
    "fp8_linear": numbers.fp8_linear,
    "vae": companions.vae,
    "t5": companions.t5,
    "wav2vec": companions.wav2vec,
    "end_to_end": whole.end_to_end,
}


def run_case(path: Path, device: str = "cpu") -> list[Result]:
    """Run one case folder on a device. Raises ValueError for an unknown kind."""
    case = Case.open(path, device)
    kind = case.config.get("kind")
    if kind not in KINDS:
        raise ValueError(f"{path.name}: unknown kind {kind!r}; known are {', '.join(KINDS)}")
    torch.backends.cudnn.allow_tf32 = False  # the cases are float32
    with torch.inference_mode(), torch.device(device):
        KINDS[kind](case)
    return case.results()
