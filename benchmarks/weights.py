"""`python -m benchmarks.weights --json`: how much memory loading and converting weights takes, against the naive way.

Writes a public checkpoint of some hundred megabytes with random numbers and does each thing in a process of its own. What
counts is the peak of resident memory over what the process had after its imports. Goal for every way but the naive one: not
more than the final size, one layer and an allowance (1 GB at the 14B shape, here 64 MB for the allocator and Python). For
a conversion nothing is final: its peak has to stay within one layer and the allowance. Exit code 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from engine.model.checkpoint.adapters import AdapterFile
from engine.model.checkpoint.conversion import Order, convert
from engine.model.checkpoint.model_files import open_model
from engine.model.checkpoint.pickles import load_pickled
from engine.model.config import TransformerConfig
from engine.model.linears import SCALE, is_large
from engine.model.loading import load_engine
from engine.model.weights import load_tensors
from engine.precision.products import quantise_rows, scale_of
from tests.unit.engine.public_rig import T5, TEXT, VAE, write_adapter, write_public

MB = 1e6
ALLOWANCE_MB = 64.0
WAYS = ("load", "load_merged", "first_use", "convert_bf16", "convert_fp8", "convert_fp8_merged", "load_fp8_expanded", "naive_fp8")


def _config(megabytes: int) -> TransformerConfig:
    """About so many megabytes of bfloat16; one layer is a small share of it, as in the 14B model."""
    dim, ffn = 1024, 2816
    layer = 8 * dim * dim + 2 * dim * ffn
    layers = max(4, round(megabytes * MB / 2 / layer))
    return TransformerConfig(
        dim=dim, ffn_dim=ffn, num_heads=8, num_layers=layers, audio_dim=64, text_dim=64, text_len=64,
        audio_inject_layers=(0, 2),
    )  # fmt: skip


def layer_bytes(config: TransformerConfig) -> int:
    """One layer in bfloat16."""
    return 2 * (8 * config.dim * config.dim + 2 * config.dim * config.ffn_dim)


# ---- one way, in its own process -------------------------------------------------------------------------------------


def run_way(way: str, home: Path) -> dict[str, Any]:
    """Do it; megabytes of peak over the start, and of what is held in the end."""
    torch.set_num_threads(1)
    from transformers import UMT5EncoderModel, Wav2Vec2Model  # noqa: F401 - part of the start, not of the loading

    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    start, began = _resident("VmHWM"), time.perf_counter()
    held = _do(way, home)
    return {
        "way": way, "peak_mb": round(_resident("VmHWM") - start, 1), "held_mb": round(held / MB, 1),
        "seconds": round(time.perf_counter() - began, 2),
    }  # fmt: skip


def _do(way: str, home: Path) -> int:
    public, adapter = home / "public", AdapterFile.find(str(home / "adapter"), alpha=64.0)
    merged = adapter if way.endswith("merged") else None
    if way.startswith("convert"):
        convert(Order(source=public, target=home / way, precision=way.split("_")[1], adapter=merged, shard_bytes=100_000_000))
        return 0
    if way == "first_use":
        open_model(public, home / "other-cache")
        return 0
    if way == "naive_fp8":
        return _naive(public, home / "naive.safetensors")
    engine = load_engine(home / "convert_fp8" if way == "load_fp8_expanded" else public, adapter=merged)
    engine.warm_encoders()
    parts = (engine.transformer, engine.vae, engine._text_encoder, engine._speech_encoder)
    tensors = [t for part in parts if part is not None for t in part.state_dict().values()]
    for tensor in tensors:
        tensor.reshape(-1).view(torch.uint8)[::1024].sum()  # every page is touched: what is mapped counts too
    return sum({t.data_ptr(): t.numel() * t.element_size() for t in tensors}.values())


def _naive(public: Path, target: Path) -> int:
    """As scripts do it: load all, convert all, save all."""
    from safetensors.torch import load_file, save_file

    loaded = {k: v for path in sorted(public.glob("*.safetensors")) for k, v in load_file(path).items()}
    loaded |= _whole(public / T5) | _whole(public / VAE)
    made = {}
    for name, tensor in loaded.items():
        if is_large(name):
            rows = quantise_rows(tensor)
            made[name], made[name + SCALE] = rows.values, scale_of(rows).view(-1)
        else:
            made[name] = tensor.bfloat16().clone()
    save_file(made, target)
    return 0


def _whole(path: Path) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in load_pickled(path).items()}


def _resident(field: str) -> float:
    """Megabytes from the kernel's own account of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / MB
    raise RuntimeError(f"the kernel says no {field}")


# ---- all of them -----------------------------------------------------------------------------------------------------


def measure(megabytes: int) -> dict[str, Any]:
    """Every way on one synthetic directory."""
    config = _config(megabytes)
    layer_mb = layer_bytes(config) / MB
    with tempfile.TemporaryDirectory(prefix="greenroom-weights-") as folder:
        home = Path(folder)
        write_public(home / "public", config=config, text={**TEXT, "vocab_size": 400_000})
        write_adapter(home / "adapter" / "liveavatar.safetensors", rank=16, config=config)
        open_model(home / "public")
        size = sum(path.stat().st_size for path in (home / "public").rglob("*") if path.is_file()) / MB
        results = [_in_a_child(way, home) for way in WAYS]
        written = sum(len(load_tensors(path)) for path in (home / "convert_fp8").glob("*.safetensors"))
    for result in results:
        result["goal_mb"] = round(result["held_mb"] + layer_mb + ALLOWANCE_MB, 1)
        result["is_reached"] = result["peak_mb"] <= result["goal_mb"]
    naive = next(result for result in results if result["way"] == "naive_fp8")
    fp8 = next(result for result in results if result["way"] == "convert_fp8")
    return {
        "directory_mb": round(size, 1), "layer_mb": round(layer_mb, 1), "tensors_written": written, "ways": results,
        "naive_over_ours": round(naive["peak_mb"] / fp8["peak_mb"], 1),
        "is_reached": all(result["is_reached"] for result in results if result["way"] != "naive_fp8"),
        "torch": torch.__version__, "date": time.strftime("%Y-%m-%d"),
        "command": f"python -m benchmarks.weights --megabytes {megabytes} --json",
    }  # fmt: skip


def _in_a_child(way: str, home: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.weights", "--child", way, str(home)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[1], check=False)
    if done.returncode:
        raise RuntimeError(f"{way} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main(arguments: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weights", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=400, help="size of the transformer")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        print(json.dumps(run_way(options.child[0], Path(options.child[1]))))
        return 0
    result = measure(options.megabytes)
    if options.json:
        print(json.dumps(result))
    else:
        for way in result["ways"]:
            print(f"{way['way']:<20} peak {way['peak_mb']:>8} MB   held {way['held_mb']:>8} MB   goal {way['goal_mb']:>8} MB")
    return 0 if result["is_reached"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
