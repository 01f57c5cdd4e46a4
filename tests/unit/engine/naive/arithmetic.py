"""Norms, activations, attention and patches, each as its formula says."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def linear(weights: dict[str, Array], name: str, x: Array) -> Array:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def layer_norm(x: Array, eps: float) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)


def rms_norm(x: Array, weight: Array, eps: float = 1e-6) -> Array:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weight


def silu(x: Array) -> Array:
    return x / (1 + np.exp(-x))


def gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention(q: Array, k: Array, v: Array) -> Array:
    """[L, heads, d], [K, heads, d], [K, heads, d] -> [L, heads * d], one head at a time."""
    heads = []
    for h in range(q.shape[1]):
        scores = q[:, h] @ k[:, h].T / np.sqrt(q.shape[2])
        heads.append(softmax(scores) @ v[:, h])
    return np.concatenate(heads, axis=1)


def patches(x: Array, weight: Array, bias: Array) -> Array:
    """Convolution whose stride is its kernel: [C, F, H, W] -> [tokens, D] in the order frame, row, column."""
    _, _, kf, kh, kw = weight.shape
    out = []
    for f in range(0, x.shape[1], kf):
        for r in range(0, x.shape[2], kh):
            for c in range(0, x.shape[3], kw):
                patch = x[:, f : f + kf, r : r + kh, c : c + kw]
                out.append((weight * patch[None]).sum(axis=(1, 2, 3, 4)) + bias)
    return np.array(out)


def causal_conv(x: Array, weight: Array, bias: Array, stride: int) -> Array:
    """[t, channels] -> [t / stride, out]: kernel 3, the first frame repeated twice on the left."""
    padded = np.concatenate([x[:1], x[:1], x])
    return np.array(
        [sum(weight[:, :, tap] @ padded[start + tap] for tap in range(3)) + bias for start in range(0, len(x), stride)]
    )
