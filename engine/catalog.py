"""What can be asked for: model shapes, sizes, presets. Facts only, no torch.

Sizes are area budgets in pixels, written `W*H` as the model's command line does: the real width and height follow the
portrait's aspect and are multiples of 64 (see `engine.config.fit_size`).
"""

from __future__ import annotations

from dataclasses import dataclass

FPS = 25
BLOCK_FRAMES = 12  # video frames per block: 3 latent frames, 0.48 s
BLOCK_LATENTS = 3
BLOCK_SECONDS = BLOCK_FRAMES / FPS
CLIP_FRAMES = 48
SEGMENT_CLIPS = 200  # a segment, the durable file of a long video, has at most this many clips
SPEECH_RATE = 16_000  # Hz, what the speech encoder hears

# Published choices of `--size`, and ours for the pocket model.
SIZES: tuple[str, ...] = (
    "192*128", "384*256", "688*368", "704*384", "720*400", "832*480", "480*832",
    "1024*704", "704*1024", "1280*704", "704*1280", "1280*720", "720*1280",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Named generation settings (requirements C1-C3). `clips` None: the voice decides."""

    name: str
    size: str
    steps: int
    infer_frames: int
    clips: int | None
    summary: str


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(name="pocket", size="192*128", steps=4, infer_frames=48, clips=None,
               summary="small picture for the pocket model on a CPU"),
        Preset(name="preview", size="384*256", steps=3, infer_frames=36, clips=10,
               summary="quick look before the expensive run, at most 14 s"),
        Preset(name="standard", size="688*368", steps=4, infer_frames=48, clips=100,
               summary="everyday quality, at most 3.2 minutes"),
        Preset(name="hd", size="704*384", steps=4, infer_frames=48, clips=1000,
               summary="best quality and long video, at most 32 minutes"),
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """The transformer's shape, in the checkpoint's own field names, plus what the planner needs of its companions."""

    name: str
    dim: int
    ffn_dim: int
    num_heads: int
    num_layers: int
    audio_inject_layers: tuple[int, ...]
    audio_dim: int
    text_dim: int
    text_len: int = 512
    freq_dim: int = 256
    num_audio_token: int = 4
    vae_dim: int = 96
    vae_dim_mult: tuple[int, ...] = (1, 2, 4, 4)
    dtype: str = "bfloat16"  # of weights, rings and latents

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.dim // self.num_heads


SHAPES: dict[str, ModelShape] = {
    shape.name: shape
    for shape in (
        ModelShape(name="live-avatar-14b", dim=5120, ffn_dim=13824, num_heads=40, num_layers=40,
                   audio_inject_layers=(0, 4, 8, 12, 16, 20, 24, 27, 30, 33, 36, 39), audio_dim=1024, text_dim=4096),
        ModelShape(name="pocket", dim=160, ffn_dim=448, num_heads=5, num_layers=7, audio_inject_layers=(0, 1, 3, 5),
                   audio_dim=64, text_dim=64, text_len=128, vae_dim=16, vae_dim_mult=(1, 1, 2, 3), dtype="float32"),
    )
}  # fmt: skip

# Bytes of a prompt that a model reads at most, where it reads bytes; the published one reads 512 tokens of its vocabulary.
PROMPT_BYTES: dict[str, int] = {"pocket": 103}
