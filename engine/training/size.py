"""How much a step takes on: for a GPU, or so little that a CPU shows within a minute that a stage learns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Batch sizes and lengths. `largest` bounds a picture's sides in pixels."""

    largest: int
    vae_clips: int  # drawn at once
    vae_frames: int  # 1 + 4n: of a drawn clip
    vae_long: int  # whole clips in a batch, or
    vae_short: int  # so many parts of clips
    vae_short_frames: int  # 1 + 4n
    speech_clips: int
    speech_seconds: float
    clips: int
    blocks: int
    pool: int  # clips of one format that are kept for reuse
    fresh: int  # clips drawn at once
    uses: int  # batches of a format between two drawings
    roll_clips: int
    roll_blocks: int
    role_clips: int
    role_blocks: int


GPU = Scale(
    largest=384, vae_clips=4, vae_frames=73, vae_long=3, vae_short=14, vae_short_frames=17, speech_clips=48,
    speech_seconds=5.0, clips=16, blocks=6, pool=384, fresh=24, uses=8, roll_clips=12, roll_blocks=6, role_clips=20,
    role_blocks=4,
)  # fmt: skip
CPU = Scale(
    largest=64, vae_clips=2, vae_frames=9, vae_long=1, vae_short=2, vae_short_frames=5, speech_clips=3, speech_seconds=2.4,
    clips=2, blocks=2, pool=24, fresh=1, uses=1, roll_clips=1, roll_blocks=3, role_clips=1, role_blocks=2,
)  # fmt: skip


def scale_for(device: str) -> Scale:
    """The scale for a kind of device."""
    return GPU if device == "cuda" else CPU
