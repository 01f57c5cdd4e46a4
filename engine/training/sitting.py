"""What a stage that was stopped before its end needs to go on as if it had not been: beside the averaged weights, which the
stage's own file holds, the weights themselves, the optimisers' moments and how far the warm-up is. In float32, in as many
files of at most 15 MB as it takes: `<stage>.sitting-1.safetensors` and so on. A stage that came to its end has none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.training.muon import Muon
from engine.training.parts import FILE_BYTES

_ROOM = 200_000  # for names and places of the tensors in a file
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # AdamW's


def tensors_of(
    parameters: Mapping[str, nn.Parameter], mean: Mapping[str, Tensor], optimiser: torch.optim.Optimizer, muon: Muon
) -> dict[str, Tensor]:
    """All that changes from step to step, by name; the tensors themselves, not copies."""
    names = {id(parameter): name for name, parameter in parameters.items()}
    found: dict[str, Tensor] = {f"weight {name}": value.detach() for name, value in parameters.items()}
    found |= {f"mean {name}": value for name, value in mean.items()}
    for parameter, state in optimiser.state.items():
        found |= {f"{moment} {names[id(parameter)]}": state[moment] for moment in _MOMENTS}
    return found | {f"momentum {names[id(parameter)]}": momentum for parameter, momentum in muon.momenta()}


def save_sitting(out: Path, stage: str, tensors: Mapping[str, Tensor], steps: int, taken: int) -> None:
    """Write the files of step `steps`, `taken` of which count for the warm-up."""
    from safetensors.torch import save_file

    parts: list[dict[str, Tensor]] = [{}]
    room = FILE_BYTES - _ROOM
    for name, tensor in sorted(tensors.items()):
        size = tensor.numel() * tensor.element_size()
        if parts[-1] and size > room:
            parts.append({})
            room = FILE_BYTES - _ROOM
        parts[-1][name] = tensor.detach().cpu().contiguous().clone()
        room -= size
    for number, part in enumerate(parts, 1):
        path = out / f"{stage}.sitting-{number}.safetensors"
        being_written = path.with_name(path.name + ".part")
        at = {"steps": steps, "taken": taken, "parts": len(parts)}
        save_file(part, str(being_written), metadata={"at": json.dumps(at)})
        being_written.rename(path)


def load_sitting(out: Path, stage: str, steps: int) -> tuple[dict[str, Tensor], int] | None:
    """(tensors, steps that count for the warm-up) as they were at step `steps`; None where files are missing or of another
    step, as after a power cut between two of them."""
    from safetensors import SafetensorError, safe_open

    tensors: dict[str, Tensor] = {}
    number, at = 0, {"steps": steps, "taken": 0, "parts": 1}
    while number < at["parts"]:
        number += 1
        try:
            with safe_open(str(out / f"{stage}.sitting-{number}.safetensors"), framework="pt") as file:
                at = json.loads((file.metadata() or {})["at"])
                tensors |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        except (OSError, SafetensorError, KeyError):
            return None
        if at["steps"] != steps:
            return None
    return tensors, at["taken"]


def forget_sitting(out: Path, stage: str) -> None:
    """The stage came to its end."""
    for path in out.glob(f"{stage}.sitting-*.safetensors"):
        path.unlink()


@torch.no_grad()
def restore(
    tensors: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter], mean: Mapping[str, Tensor],
    optimiser: torch.optim.Optimizer, muon: Muon,
) -> None:  # fmt: skip
    """Put everything back where `tensors_of` found it."""
    names = {id(parameter): name for name, parameter in parameters.items()}
    for name, parameter in parameters.items():
        parameter.copy_(tensors[f"weight {name}"])
        mean[name].copy_(tensors[f"mean {name}"])
        if f"step {name}" in tensors:
            device = (
                parameter.device if optimiser.defaults["capturable"] else torch.device("cpu")
            )  # of the step counter
            optimiser.state[parameter] = {
                moment: tensors[f"{moment} {name}"].to(device if moment == "step" else parameter.device)
                for moment in _MOMENTS
            }
    for moved, momentum in muon.momenta():
        momentum.copy_(tensors[f"momentum {names[id(moved)]}"])
