"""The transformer with a full history: every block's keys of every step are kept, and the last few are looked up."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tests.unit.engine.naive.arithmetic import (
    attention,
    causal_conv,
    gelu_tanh,
    layer_norm,
    linear,
    patches,
    rms_norm,
    silu,
)
from tests.unit.engine.naive.positions import block_grid, rotate, sink_grid

Array = np.ndarray


@dataclass
class NaiveModel:
    """`weights` in the checkpoint's names, float64. `slots`: how many blocks a ring remembers, the current one included."""

    weights: dict[str, Array]
    heads: int
    layers: int
    inject: tuple[int, ...]
    text_len: int
    slots: int
    copies: int = 73  # of the first audio frame, as published
    sink_k: list[Array] = field(default_factory=list)
    sink_v: list[Array] = field(default_factory=list)
    history: dict[tuple[int, int, int], tuple[Array, Array]] = field(default_factory=dict)  # step, layer, block

    # ---- conditioning

    def text(self, rows: Array) -> Array:
        padded = np.zeros((self.text_len, rows.shape[1]))
        padded[: len(rows)] = rows
        return linear(self.weights, "text_embedding.2", gelu_tanh(linear(self.weights, "text_embedding.0", padded)))

    def time(self, t: float) -> tuple[Array, Array]:
        half = self.weights["time_embedding.0.weight"].shape[1] // 2
        angles = t * 10000.0 ** (-np.arange(half) / half)
        sinusoid = np.concatenate([np.cos(angles), np.sin(angles)])
        e = linear(self.weights, "time_embedding.2", silu(linear(self.weights, "time_embedding.0", sinusoid)))
        return e, linear(self.weights, "time_projection.1", silu(e)).reshape(6, -1)

    def audio(self, speech: Array) -> tuple[Array, Array]:
        """[25, A, 12] -> global [3, D], local [3, 5, D], with the published long left context."""
        encoder = "casual_audio_encoder.encoder."
        share = silu(self.weights["casual_audio_encoder.weights"][0, :, 0, 0])
        mixed = np.tensordot(share, speech, axes=1).T / share.sum()
        mixed = np.concatenate([np.repeat(mixed[:1], self.copies, axis=0), mixed])

        def conv(name: str, x: Array, stride: int) -> Array:
            return causal_conv(
                x, self.weights[f"{encoder}{name}.conv.weight"], self.weights[f"{encoder}{name}.conv.bias"], stride
            )

        def tail(x: Array) -> Array:
            x = conv("conv2", silu(layer_norm(x, 1e-6)), 2)
            return silu(layer_norm(conv("conv3", silu(layer_norm(x, 1e-6)), 2), 1e-6))

        wide = conv("conv1_local", mixed, 1)
        width = self.weights[f"{encoder}conv2.conv.weight"].shape[1]
        tokens = [tail(wide[:, i * width : (i + 1) * width])[-3:] for i in range(wide.shape[1] // width)]
        padding = np.repeat(self.weights[f"{encoder}padding_tokens"][0, 0], 3, axis=0)
        overall = linear(self.weights, f"{encoder}final_linear", tail(conv("conv1_global", mixed, 1)))[-3:]
        return overall, np.stack([*tokens, padding], axis=1)

    # ---- layers

    def project(self, name: str, x: Array, side: str) -> Array:
        y = linear(self.weights, f"{name}.{side}", x)
        if side != "v":
            y = rms_norm(y, self.weights[f"{name}.norm_{side}.weight"])
        return y.reshape(len(x), self.heads, -1)

    def cross(self, name: str, x: Array, context: Array) -> Array:
        q, k, v = self.project(name, x, "q"), self.project(name, context, "k"), self.project(name, context, "v")
        return linear(self.weights, f"{name}.o", attention(q, k, v))

    def layer(self, index: int, x: Array, e0: Array, text: Array, attend: object) -> Array:
        name = f"blocks.{index}"
        m = self.weights[f"{name}.modulation"][0] + e0
        n = layer_norm(x, 1e-6) * (1 + m[1]) + m[0]
        q, k, v = (self.project(f"{name}.self_attn", n, side) for side in "qkv")
        x = x + linear(self.weights, f"{name}.self_attn.o", attend(index, q, k, v)) * m[2]  # type: ignore[operator]
        n = layer_norm(x, 1e-6) * self.weights[f"{name}.norm3.weight"] + self.weights[f"{name}.norm3.bias"]
        x = x + self.cross(f"{name}.cross_attn", n, text)
        n = layer_norm(x, 1e-6) * (1 + m[4]) + m[3]
        return x + linear(self.weights, f"{name}.ffn.2", gelu_tanh(linear(self.weights, f"{name}.ffn.0", n))) * m[5]

    def inject_audio(self, index: int, x: Array, overall: Array, local: Array) -> Array:
        out, per_frame = [], len(x) // 3
        for frame in range(3):
            tokens = x[frame * per_frame : (frame + 1) * per_frame]
            condition = linear(
                self.weights, f"audio_injector.injector_adain_layers.{index}.linear", silu(overall[frame])
            )
            shift, scale = np.split(condition, 2)
            y = layer_norm(tokens, 1e-5) * (1 + scale) + shift
            out.append(tokens + self.cross(f"audio_injector.injector.{index}", y, local[frame]))
        return np.concatenate(out)

    # ---- passes

    def prefill(self, reference: Array, motion: Array, text: Array) -> None:
        rows, columns = reference.shape[2] // 2, reference.shape[3] // 2
        grid, (_, e0) = sink_grid(0, rows, columns), self.time(0.0)
        last = np.zeros((16, 19, *motion.shape[2:]))
        count = min(19, motion.shape[1])
        last[:, 19 - count :] = motion[:, motion.shape[1] - count :]
        w, mask = self.weights, self.weights["trainable_cond_mask.weight"]
        parts = [patches(reference, w["patch_embedding.weight"], w["patch_embedding.bias"]) + mask[1]]
        for frames, name in ((last[:, 18:], "proj"), (last[:, 16:18], "proj_2x"), (last[:, :16], "proj_4x")):
            parts.append(patches(frames, w[f"frame_packer.{name}.weight"], w[f"frame_packer.{name}.bias"]) + mask[2])
        x = np.concatenate(parts)
        self.sink_k, self.sink_v = [], []

        def attend(_layer: int, q: Array, k: Array, v: Array) -> Array:
            self.sink_k.append(k)
            self.sink_v.append(v)
            return attention(rotate(q, grid), rotate(k, grid), v)

        for index in range(self.layers):
            x = self.layer(index, x, e0, text, attend)

    def velocity(
        self, noisy: Array, t: float, step: int, block: int, distance: int, text: Array, audio: tuple[Array, Array]
    ) -> Array:
        rows, columns = noisy.shape[2] // 2, noisy.shape[3] // 2
        w, (e, e0) = self.weights, self.time(t)
        grid = block_grid(3 * block, rows, columns)
        behind = sink_grid(max(0, 3 * block - (30 - distance)), rows, columns)
        x = patches(noisy, w["patch_embedding.weight"], w["patch_embedding.bias"])
        x = x + w["cond_encoder.bias"] + w["trainable_cond_mask.weight"][0]

        def attend(layer: int, q: Array, k: Array, v: Array) -> Array:
            self.history[step, layer, block] = rotate(k, grid), v
            seen = [self.history[step, layer, b] for b in range(max(0, block + 1 - self.slots), block + 1)]
            keys = np.concatenate([pair[0] for pair in seen] + [rotate(self.sink_k[layer], behind)])
            return attention(rotate(q, grid), keys, np.concatenate([pair[1] for pair in seen] + [self.sink_v[layer]]))

        for index in range(self.layers):
            x = self.layer(index, x, e0, text, attend)
            if index in self.inject:
                x = self.inject_audio(self.inject.index(index), x, *audio)
        m = w["head.modulation"][0] + e
        out = linear(w, "head.head", layer_norm(x, 1e-6) * (1 + m[1]) + m[0])
        return unpatch(out, noisy.shape)


def unpatch(tokens: Array, shape: tuple[int, ...]) -> Array:
    """[tokens, 64] -> [16, 3, H, W]; 64 numbers are 2 rows, 2 columns, 16 channels."""
    out, token = np.empty(shape), 0
    for f in range(shape[1]):
        for r in range(0, shape[2], 2):
            for c in range(0, shape[3], 2):
                out[:, f, r : r + 2, c : c + 2] = tokens[token].reshape(2, 2, 16).transpose(2, 0, 1)
                token += 1
    return out


def sigmas(steps: int) -> list[float]:
    """The schedule from its formula; the last entry is 0."""
    end = 1000 * 0.003 / 1.002
    values = [(1000 + (end - 1000) * i / (steps - 1)) / 1000 for i in range(steps)]
    return [3 * s / (1 + 2 * s) for s in values] + [0.0]
