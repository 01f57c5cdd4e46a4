"""The frozen base that an adapter is trained beside: in the numbers it is stored in, or with its large layers in eight bits.

Eight-bit layers are expanded to bfloat16 one product at a time, on the way there and again on the way back, so that a
model's weights take half the memory and nothing expanded is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from engine.errors import SettingsError
from engine.model.checkpoint.model_files import ModelFiles
from engine.model.checkpoint.source import FP8, PartSource
from engine.model.config import TransformerConfig
from engine.model.linears import SCALE, is_large
from engine.model.loading import DTYPES
from engine.model.manifest import TRANSFORMER
from engine.model.transformer import Transformer
from engine.model.weights import empty_weights, map_file, tensors_of
from engine.precision.products import quantise_rows, scale_of

PRECISIONS = ("stored", "fp8")


class EightBitLinear(nn.Module):
    """A frozen linear layer: `weight` [out, in] in eight bits, `weight_scale` [out] float32, `bias` [out]."""

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.weight_scale = nn.Parameter(scale, requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out] in bfloat16."""
        made = _Expanded.apply(x.to(torch.bfloat16), self.weight, self.weight_scale)
        return made if self.bias is None else made + self.bias.to(made.dtype)


class _Expanded(torch.autograd.Function):
    """x [..., in] times the transpose of codes [out, in] with a scale [out] per row; a gradient for x alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, codes: Tensor, scale: Tensor) -> Tensor:
        """In bfloat16."""
        ctx.save_for_backward(codes, scale)
        with _no_autocast(x):
            return F.linear(x, _bfloat16(codes, scale))

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor | None, None, None]:
        """The weight is expanded anew."""
        codes, scale = ctx.saved_tensors  # type: ignore[attr-defined]
        with _no_autocast(grads[0]):
            return grads[0].to(torch.bfloat16) @ _bfloat16(codes, scale), None, None


def is_mixed_base(model: Transformer) -> bool:
    """Its large layers are stored in fewer bits than float32, so products beside it are made in bfloat16."""
    return next(p for name, p in model.named_parameters() if is_large(name)).dtype != torch.float32


def _no_autocast(like: Tensor) -> torch.autocast:
    return torch.autocast(like.device.type, enabled=False)


def _bfloat16(codes: Tensor, scale: Tensor) -> Tensor:
    """The very numbers that an engine without eight-bit products computes with."""
    return (codes.to(torch.float32) * scale[:, None]).to(torch.bfloat16)


def load_frozen(files: ModelFiles, device: str, precision: str = "stored") -> Transformer:
    """The transformer of a model directory or public checkpoint. `precision` "fp8" stores large layers of a bfloat16 model in
    eight bits while loading, layer by layer. Raises WeightsError, SettingsError."""
    dtype = DTYPES[files.manifest.dtype]
    if precision == "fp8" and dtype != torch.bfloat16:
        raise SettingsError(f"the base is stored as {files.manifest.dtype}.", field="precision", hint="Leave --precision out.")
    tensors: dict[str, Tensor] = {}
    for path in files.parts[TRANSFORMER]:
        tensors |= tensors_of(map_file(path), str(path))
    source = PartSource(tensors, str(files.parts[TRANSFORMER][0]), device, dtype)
    with empty_weights():
        source.check(Transformer(files.manifest.transformer))

    def of(name: str) -> Tensor:
        made = source(name)  # the network may not live in the mapping: what trains beside it is written to
        return made.clone() if made.data_ptr() == tensors[name].data_ptr() else made

    scales = {name: of(name) for name in source.scales}
    return frozen(files.manifest.transformer, source.names(), of, scales, is_eight_bit=precision == "fp8")


def frozen(
    config: TransformerConfig, names: Iterable[str], tensor: Callable[[str], Tensor], scales: dict[str, Tensor],
    *, is_eight_bit: bool,
) -> Transformer:  # fmt: skip
    """A transformer of these tensors, each asked for once; large ones become eight-bit with `is_eight_bit`, or are already.
    All others become float32: embeddings, norms and the head are computed so."""
    with empty_weights():
        model = Transformer(config)
    values: dict[str, Tensor] = {}
    for name in names:
        values[name] = tensor(name) if is_large(name) else tensor(name).float()
        if is_eight_bit and is_large(name) and values[name].dtype != FP8:
            rows = quantise_rows(values[name])
            values[name], values[name + SCALE] = rows.values, scale_of(rows).flatten()
        elif values[name].dtype == FP8:
            values[name + SCALE] = scales[name + SCALE]
    for name in [name for name, value in values.items() if value.dtype == FP8]:
        path, _, leaf = name.removesuffix(".weight").rpartition(".")
        bias = f"{name.removesuffix('weight')}bias"
        setattr(model.get_submodule(path), leaf, EightBitLinear(values[name], values[name + SCALE], values.get(bias)))
    model.load_state_dict(values, assign=True)
    return model.requires_grad_(False).eval()
