"""Which tensors a part must have, by its configuration, and how a file differs from that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from engine.model import speech, text
from engine.model.checkpoint.infer import HasShape
from engine.model.linears import SCALE, is_large
from engine.model.manifest import SPEECH, TEXT, TRANSFORMER, Manifest
from engine.model.transformer import Transformer
from engine.model.vae import VideoAutoencoder
from engine.model.weights import empty_weights

Shapes = dict[str, tuple[int, ...]]


def expected_tensors(part: str, manifest: Manifest) -> Shapes:
    """Name -> shape of a part; of eight-bit weights the scales too."""
    if part == TEXT:
        return text.expected_shapes(manifest.text)
    if part == SPEECH:
        return speech.expected_shapes(manifest.speech)
    with empty_weights():
        module = Transformer(manifest.transformer) if part == TRANSFORMER else VideoAutoencoder(manifest.vae)
    shapes = _shapes(module)
    if part == TRANSFORMER and manifest.precision == "fp8":
        shapes |= {name + SCALE: shape[:1] for name, shape in shapes.items() if is_large(name)}
    return shapes


def compared(part: str, found: Mapping[str, HasShape]) -> Mapping[str, HasShape]:
    """What of a file is compared with `expected_tensors`."""
    return speech.used_tensors(found) if part == SPEECH else found


@dataclass(frozen=True)
class Difference:
    """`what`: a sentence without a subject, "misses 3 of 1260 tensors, first …"; `code` and `data` say the same."""

    what: str
    code: str
    data: Mapping[str, Any]

    @property
    def first(self) -> str:
        """The first tensor that differs."""
        return str(self.data["first"])


def differences(expected: Shapes, found: Mapping[str, HasShape]) -> list[Difference]:
    """How a file differs; empty: all is as it should be."""
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    odd = [name for name in sorted(expected.keys() & found.keys()) if tuple(found[name].shape) != expected[name]]
    problems = []
    if missing:
        what = f"misses {len(missing)} of {len(expected)} tensors, first {missing[0]}"
        problems.append(Difference(what, "tensors_missing", {"count": len(missing), "all": len(expected), "first": missing[0]}))
    if extra:
        what = f"has {len(extra)} unknown tensors, first {extra[0]}"
        problems.append(Difference(what, "tensors_unknown", {"count": len(extra), "first": extra[0]}))
    if odd:
        shapes = f"{list(found[odd[0]].shape)}, not {list(expected[odd[0]])}"
        what = f"has {len(odd)} tensors of another shape, first {odd[0]}: {shapes}"
        problems.append(Difference(what, "tensors_shaped", {"count": len(odd), "first": odd[0], "shapes": shapes}))
    return problems


def _shapes(module: nn.Module) -> Shapes:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}
