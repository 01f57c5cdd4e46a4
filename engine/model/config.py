"""The transformer's configuration, in the field names of the public checkpoint's `config.json`."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any

from engine.catalog import ModelShape
from engine.errors import WeightsError

# Branches of the published class that this model never uses; a checkpoint that turns one on is another model.
_FIXED: dict[str, Any] = {
    "model_type": "s2v", "enable_adain": True, "adain_mode": "attn_norm", "zero_timestep": True,
    "enable_motioner": False, "add_last_motion": True, "enable_tsm": False, "trainable_token_pos_emb": False,
    "enable_framepack": True, "framepack_drop_mode": "padd",
}  # fmt: skip

_HINT = "Bring the config.json or model.json that belongs to these weights."
MOTION_LATENTS = 19  # latent frames of the 73 motion frames; only these feed the sink
SPEECH_LAYERS = 25  # hidden states of the speech encoder


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Shape of the transformer. Everything that the reference fixes by its constructor has that value here."""

    dim: int
    ffn_dim: int
    num_heads: int
    num_layers: int
    audio_dim: int
    text_dim: int = 4096
    text_len: int = 512
    freq_dim: int = 256
    in_dim: int = 16
    out_dim: int = 16
    cond_dim: int = 16
    num_audio_token: int = 4
    audio_inject_layers: tuple[int, ...] = ()
    eps: float = 1e-6
    patch: int = 2  # pixels of a latent frame per token, each way

    def __post_init__(self) -> None:
        if min(self.dim, self.num_heads, self.num_layers) < 1:
            raise _refused(f"dim {self.dim}, num_heads {self.num_heads} and num_layers {self.num_layers} are at least 1.")
        if self.dim % self.num_heads or self.head_dim % 2:
            raise _refused(f"dim {self.dim} does not divide into {self.num_heads} heads of even width.")
        if any(not 0 <= layer < self.num_layers for layer in self.audio_inject_layers):
            raise _refused(f"audio_inject_layers {self.audio_inject_layers} reach beyond {self.num_layers} layers.")

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.dim // self.num_heads

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TransformerConfig:
        """From the checkpoint's field names. Unknown fields are ignored, those that select another network refused."""
        for name, value in _FIXED.items():
            if data.get(name, value) != value:
                raise _refused(f"config.json: {name} is {data[name]!r}; only {value!r} is supported.")
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        known["audio_inject_layers"] = tuple(known.get("audio_inject_layers", ()))
        missing = [one.name for one in fields(cls) if one.default is MISSING and one.name not in known]
        if missing:
            raise _refused(f"The transformer's shape does not say {', '.join(missing)}.")
        try:
            return cls(**known)
        except TypeError as error:  # a field of another type
            raise _refused(f"The transformer's shape: {error}.") from error

    @classmethod
    def from_shape(cls, shape: ModelShape) -> TransformerConfig:
        """From an entry of the catalog."""
        names = set(cls.__dataclass_fields__)
        return cls(**{name: value for name, value in vars(shape).items() if name in names})


def _refused(what: str) -> WeightsError:
    return WeightsError(what, hint=_HINT, problem="bad_config")
