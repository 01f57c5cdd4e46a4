"""What is asked of a GPU, and what room there is: the planner's two inputs, checked at once."""

from __future__ import annotations

from dataclasses import dataclass

from engine.catalog import CLIP_FRAMES, ModelShape
from engine.errors import SettingsError
from engine.memory.devices import Device

PRECISIONS = ("bf16", "fp8")
KV_FORMS = ("bf16", "fp8")
PLACES = ("gpu", "host", "none")


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is to be in memory at once. Width and height in pixels, multiples of 64, as `engine.config.fit_size` gives.

    A model in float32 (the pocket model) has neither precision nor ring form to choose. `voice_s`: seconds of the longest
    voice; its features stay for the whole job. `roles_ready`: roles that are kept, the playing one included; several are
    kept ready for the stage. `adapter_rank`: room for adapters, the sum of the ranks that can be attached at once;
    `adapters`: sets that are fitted and kept. `has_vault`: weights and contexts lie in another process's memory (counted
    once, whoever maps them), `standbys` warm workers beside the one that plays map the same.
    """

    shape: ModelShape
    width: int
    height: int
    steps: int = 4
    infer_frames: int = CLIP_FRAMES
    precision: str = "fp8"  # of the large products
    kv: str = "fp8"  # of rings and sink values
    contexts: int = 1
    roles_ready: int = 1
    voice_s: float = 60.0
    adapters: int = 0
    adapter_rank: int = 0
    text_encoder: str = "host"
    speech_encoder: str = "gpu"
    has_vault: bool = False
    standbys: int = 0
    portrait: tuple[int, int] | None = None  # width and height of the picture, for smaller sizes of the same aspect

    def __post_init__(self) -> None:
        if self.width < 64 or self.height < 64 or self.width % 64 or self.height % 64:
            size = f"{self.width}x{self.height}"
            raise SettingsError(f"{size} is not made of multiples of 64.", field="size", hint="Use fit_size.")
        if not 3 <= self.steps <= 5:
            raise SettingsError(f"steps is {self.steps}.", field="steps", hint="Use 3, 4 or 5.")
        if self.infer_frames < 12 or self.infer_frames % 12:
            raise SettingsError(
                f"infer_frames is {self.infer_frames}.", field="infer_frames", hint="Use a multiple of 12."
            )
        if self.contexts < 1 or self.roles_ready < 1:
            raise SettingsError("there is at least one context and one role.", field="contexts")
        if self.standbys < 0 or (self.standbys and not self.has_vault):
            raise SettingsError(f"{self.standbys} standbys without a vault.", field="standbys", hint="Standbys share its memory.")
        if min(self.adapters, self.adapter_rank, self.voice_s) < 0 or self.adapter_rank > 128:
            raise SettingsError("an adapter's rank is 0 to 128, nothing is negative.", field="adapter_rank")
        for field, allowed in (
            ("text_encoder", PLACES),
            ("speech_encoder", PLACES),
            ("precision", PRECISIONS),  # before kv, which follows it where nobody said another
            ("kv", KV_FORMS),
        ):
            if getattr(self, field) not in allowed:
                hint = f"Use {', '.join(allowed)}."
                raise SettingsError(f"{field} is {getattr(self, field)!r}.", field=field, hint=hint)

    @property
    def needs_fp8(self) -> bool:
        """Asks for eight bits, in weights or rings."""
        return not self.is_wide and "fp8" in (self.precision, self.kv)

    @property
    def is_wide(self) -> bool:
        """A float32 model: one form of everything, for the CPU."""
        return self.shape.dtype == "float32"


@dataclass(frozen=True, kw_only=True)
class Room:
    """One kind of GPU, how many of it, and limits: `cap_bytes` per GPU (None: what the device has usable), pinned host
    memory for all of them together (None: not limited)."""

    device: Device | None = None
    cap_bytes: int | None = None
    gpus: int = 1
    host_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.gpus < 1:
            raise SettingsError(f"{self.gpus} GPUs.", field="gpus", hint="Use at least 1.")
        if self.cap_bytes is not None and self.cap_bytes <= 0:
            raise SettingsError(
                "the cap is not above 0.", field="memory-gib", hint="Give GiB per GPU, for example 22.15."
            )

    @property
    def has_fp8(self) -> bool:
        """The card computes in eight bits; one that was not named is taken to."""
        return self.device is None or self.device.has_fp8

    @property
    def limit_bytes(self) -> int | None:
        """What one GPU may hold; None where neither a cap nor the device is known."""
        usable = None if self.device is None else self.device.usable_bytes
        known = [limit for limit in (self.cap_bytes, usable) if limit is not None]
        return min(known) if known else None
