"""From the stages' files to a model directory, and to the small bfloat16 files that ship with the package.

Tensor names are those of the public checkpoints, in which the engine reads all models. The shipped files hold bfloat16;
the directory that the engine loads holds the same numbers as float32, which is what a CPU computes with.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import WeightsError
from engine.media.durable import write_whole
from engine.model.manifest import CARD, SPEECH, TEXT, TRANSFORMER, VAE, Manifest
from engine.model.pocket import SHAPE, SPEECH_SHAPE, TEXT_SHAPE, VAE_SHAPE, jsonable, publish
from engine.model.text import _LAYER_NAMES
from engine.training.adapters import file_metadata
from engine.training.parts import load_parts, new_transformer

SHIPPED_BYTES = 14_000_000
ADAPTER_BYTES = 1_000_000


def gather(out: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any], dict[str, Any]]:
    """(tensors per file in public names, the VAE's configuration, cards per stage) of a folder of stages.

    The newest transformer counts: the distilled one where there is one. Raises WeightsError naming a missing stage.
    """
    last = out / ("distil.safetensors" if (out / "distil.safetensors").exists() else "transformer.safetensors")
    vae, vae_card = load_parts(out / "vae.safetensors")
    speech, speech_card = load_parts(out / "speech.safetensors")
    both, card = load_parts(last)
    cards = {"vae": vae_card, "speech": speech_card, last.stem: card}
    if last.stem == "distil":
        cards["transformer"] = (
            load_parts(out / "transformer.safetensors")[1] if (out / "transformer.safetensors").exists() else {}
        )
    transformer = _under(both, "transformer.")
    plain = new_transformer().state_dict()
    transformer["cond_encoder.weight"] = torch.zeros_like(plain["cond_encoder.weight"])  # never trained: no pose video
    files = {
        TRANSFORMER: transformer,
        VAE: _under(vae, "vae."),
        SPEECH: {f"wav2vec2.{_public_speech(name)}": value for name, value in _under(speech, "speech.").items()},
        TEXT: {
            _public_text(name): value for name, value in _under(both, "text.").items() if "embed_tokens" not in name
        },
    }
    return files, {**VAE_SHAPE, **vae_card["facts"]}, cards


def ship(out: Path, target: Path) -> int:
    """Write the shipped files (bfloat16 and the card) into `target`; returns their bytes. Raises WeightsError."""
    from safetensors.torch import save

    files, vae_shape, cards = gather(out)
    contents = {
        name: save({key: value.to(torch.bfloat16).contiguous() for key, value in sorted(tensors.items())})
        for name, tensors in files.items()
    }
    total = sum(len(data) for data in contents.values())
    if total > SHIPPED_BYTES:
        raise WeightsError(f"the shipped files would have {total} bytes, {SHIPPED_BYTES} are allowed.")
    manifest = {
        "name": SHAPE.name, "trained": True, "shape": jsonable({**vars(SHAPE), "dtype": "bfloat16"}), "vae": vae_shape,
        "speech": SPEECH_SHAPE, "text": TEXT_SHAPE,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()},
    }  # fmt: skip
    texts = {"model.json": manifest, CARD: cards}
    publish(
        target, {**contents, **{name: (json.dumps(data, indent=1) + "\n").encode() for name, data in texts.items()}}
    )
    return total


def ship_adapters(out: Path, target: Path, base: Path) -> list[Path]:
    """Write every role's adapter in bfloat16 into `target`, its card inside; returns the files. `base` is the model's
    directory, which they name. Raises WeightsError."""
    from safetensors.torch import save

    files = {}
    for path in sorted(out.glob("role-*.safetensors")):
        tensors, card = load_parts(path)
        facts = card.pop("facts", {})
        plain = {name: value.to(torch.bfloat16).contiguous() for name, value in sorted(tensors.items())}
        metadata = file_metadata(int(facts["rank"]), float(facts["alpha"]), Manifest.read(base).sha256)
        data = save(plain, metadata={**metadata, "card": json.dumps(card)})
        if len(data) > ADAPTER_BYTES:
            raise WeightsError(f"{path.name} would have {len(data)} bytes, {ADAPTER_BYTES} are allowed.")
        files[target / f"{path.stem.removeprefix('role-')}.safetensors"] = data
    target.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        write_whole(file, data)
    return list(files)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _public_speech(name: str) -> str:
    """Weight normalisation is spelled `weight_g`, `weight_v` in the public file."""
    return name.replace("parametrizations.weight.original0", "weight_g").replace(
        "parametrizations.weight.original1", "weight_v"
    )


def _public_text(name: str) -> str:
    """The transformers class's name -> the public file's."""
    if name == "shared.weight":
        return "token_embedding.weight"
    if name == "encoder.final_layer_norm.weight":
        return "norm.weight"
    _, _, index, rest = name.split(".", 3)
    inverse = {library: public for public, library in _LAYER_NAMES.items()}
    return f"blocks.{index}.{inverse[rest]}"
