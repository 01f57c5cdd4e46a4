"""Public checkpoints, model directories and their conversions are one and the same model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.errors import WeightsError
from engine.model.block_engine import BlockEngine
from engine.model.checkpoint.adapters import AdapterFile
from engine.model.checkpoint.conversion import Order, convert
from engine.model.checkpoint.model_files import open_model
from engine.model.checkpoint.source import PartSource
from engine.model.context import Context
from engine.model.linears import SCALE, is_large
from engine.model.loading import load_engine
from engine.model.manifest import TRANSFORMER
from engine.model.weights import load_tensors
from engine.precision.products import quantise_rows, scale_of
from tests.unit.engine.model_rig import HEIGHT, SETTINGS, WIDTH
from tests.unit.engine.public_rig import CONFIG, SHARD, SHARDS, T5, write_adapter, write_equivalent, write_public


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A public directory `public`, the same model as a model directory `equal`, and an adapter."""
    home = tmp_path_factory.mktemp("checkpoints")
    write_equivalent(write_public(home / "public"), home / "equal")
    write_adapter(home / "adapter" / "liveavatar.safetensors")
    return home


def first_block(engine: BlockEngine) -> dict[str, Tensor]:
    """Everything that prompt, portrait, voice and weights decide."""
    draws = np.random.default_rng(0)
    portrait = draws.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    given = engine.prepare("A man talks.", portrait, WIDTH, HEIGHT)
    given |= engine.hear(draws.standard_normal(16_000).astype(np.float32))
    layout = engine.layout(WIDTH, HEIGHT, SETTINGS.steps)
    context = Context(layout, bytearray(layout.total_bytes))
    engine.begin(context, given, SETTINGS)
    made = engine.make_block(context, given, SETTINGS, 0)
    return given | {"latents": made.latents, "frames": torch.from_numpy(made.frames)}


def are_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def made(home: Path) -> dict[str, Tensor]:
    """What the equivalent model directory makes."""
    return first_block(load_engine(home / "equal"))


def test_public_directory_makes_the_bits_of_the_equivalent_model_directory(home: Path, made: dict[str, Tensor]) -> None:
    engine = load_engine(home / "public")
    assert are_equal(first_block(engine), made)
    assert engine.is_trained
    assert (engine.shape.dim, engine.shape.dtype, engine.shape.vae_dim) == (CONFIG.dim, "bfloat16", 8)
    assert open_model(home / "public").manifest.transformer == CONFIG


def test_converted_directory_makes_the_same_bits_whatever_the_size_of_its_files(
    home: Path, tmp_path: Path, made: dict[str, Tensor]
) -> None:
    convert(Order(source=home / "public", target=tmp_path / "whole"))
    convert(Order(source=home / "public", target=tmp_path / "cut", shard_bytes=200_000))
    assert len(list((tmp_path / "cut").glob("transformer-*-of-*.safetensors"))) > 3
    assert are_equal(first_block(load_engine(tmp_path / "whole")), made)
    assert are_equal(first_block(load_engine(tmp_path / "cut")), made)
    convert(Order(source=tmp_path / "cut", target=tmp_path / "again"))
    assert are_equal(first_block(load_engine(tmp_path / "again")), made)


def test_pickled_companions_are_converted_once_and_found_again(home: Path, tmp_path: Path) -> None:
    public = Path(shutil.copytree(home / "public", tmp_path / "public"))
    stages: list[str] = []
    first = open_model(public, tmp_path / "cache", lambda what, done, total: stages.append(what))
    assert {what.split()[0] for what in stages} == {T5, "Wan2.1_VAE.pth"}
    stages.clear()
    assert open_model(public, tmp_path / "cache", lambda what, done, total: stages.append(what)) == first
    assert not stages
    assert sorted(path.name for path in public.iterdir()) == sorted(path.name for path in (home / "public").iterdir())
    (public / T5).touch()
    open_model(public, tmp_path / "cache", lambda what, done, total: stages.append(what))
    assert {what.split()[0] for what in stages} == {T5}, "another file of that name is another conversion"


def test_cache_that_cannot_be_written_names_the_command_that_helps(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError) as caught:
        open_model(home / "public", tmp_path / "file" / "cache")
    assert "role_scheduler weights convert" in caught.value.hint
    assert "has to be converted" in str(caught.value)


def test_weights_hash_of_a_public_directory_names_every_file(home: Path, tmp_path: Path) -> None:
    public = Path(shutil.copytree(home / "public", tmp_path / "public"))
    before = load_engine(public).weights_sha256
    assert before == load_engine(home / "public").weights_sha256, "the same content elsewhere is the same"
    shard = public / SHARD.format(2, SHARDS)
    tensors = load_file(shard)
    name = next(name for name, tensor in tensors.items() if tensor.dim() == 2)
    tensors[name][0, 0] += 1
    save_file(tensors, shard)
    assert load_engine(public).weights_sha256 != before


def test_eight_bit_file_holds_the_codes_of_the_products_and_nothing_else_in_eight_bits(home: Path, tmp_path: Path) -> None:
    convert(Order(source=home / "public", target=tmp_path / "fp8", precision="fp8"))
    stored = load_tensors(tmp_path / "fp8" / TRANSFORMER)
    original = load_tensors(home / "equal" / TRANSFORMER)
    large = {name for name in original if is_large(name)}
    assert len(large) == 10 * CONFIG.num_layers + 5 * len(CONFIG.audio_inject_layers)
    assert stored.keys() == original.keys() | {name + SCALE for name in large}
    for name, tensor in original.items():
        if name not in large:
            assert torch.equal(stored[name], tensor)
            continue
        rows = quantise_rows(tensor)
        assert stored[name].dtype == torch.float8_e4m3fn
        assert torch.equal(stored[name].view(torch.uint8), rows.values.view(torch.uint8))
        assert torch.equal(stored[name + SCALE], scale_of(rows).view(-1))


def test_eight_bits_are_expanded_on_the_cpu_and_make_nearly_the_same_video(
    home: Path, tmp_path: Path, made: dict[str, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "greenroom.weights")
    convert(Order(source=home / "public", target=tmp_path / "fp8", precision="fp8"))
    engine = load_engine(tmp_path / "fp8")
    assert "expanded" in caplog.text
    original = load_tensors(home / "equal" / TRANSFORMER)
    for name, value in engine.transformer.state_dict().items():
        if is_large(name):
            rows = quantise_rows(original[name])
            assert torch.equal(value, (rows.values.float() * scale_of(rows)).bfloat16())
    got = first_block(engine)
    assert torch.equal(got["text"], made["text"])
    difference = (got["latents"].float() - made["latents"].float()).abs().mean()
    assert 0 < difference < 0.02 * made["latents"].float().abs().mean()


def test_source_gives_codes_and_scales_and_knows_no_other_name(home: Path, tmp_path: Path) -> None:
    convert(Order(source=home / "public", target=tmp_path / "fp8", precision="fp8"))
    source = PartSource(load_tensors(tmp_path / "fp8" / TRANSFORMER), "file", "cpu", torch.bfloat16)
    name = "blocks.1.ffn.0.weight"
    assert (source(name).dtype, source(name + SCALE).dtype) == (torch.float8_e4m3fn, torch.float32)
    assert source(name + SCALE).shape == source(name).shape[:1]
    for absent in ("patch_embedding.weight_scale", "blocks.9.ffn.0.weight", "nothing"):
        with pytest.raises(KeyError):
            source(absent)


def test_adapter_merged_while_loading_is_the_adapter_merged_while_converting(home: Path, tmp_path: Path) -> None:
    adapter = AdapterFile.find(str(home / "adapter"), alpha=8)
    convert(Order(source=home / "public", target=tmp_path / "merged", adapter=adapter))
    ahead, now = load_engine(tmp_path / "merged"), load_engine(home / "public", adapter=adapter)
    assert are_equal(first_block(ahead), first_block(now))
    plain = load_engine(home / "public")
    assert now.weights_sha256 != plain.weights_sha256
    name = "blocks.0.self_attn.q.weight"
    assert not torch.equal(now.transformer.state_dict()[name], plain.transformer.state_dict()[name])
    manifest = json.loads((tmp_path / "merged" / "model.json").read_text())
    assert (manifest["adapters"][0]["rank"], manifest["adapters"][0]["alpha"]) == (4, 8)
    with pytest.raises(WeightsError, match=r"merged into .* already"):
        load_engine(tmp_path / "merged", adapter=adapter)


def test_adapter_is_not_merged_into_eight_bits(home: Path, tmp_path: Path) -> None:
    convert(Order(source=home / "public", target=tmp_path / "fp8", precision="fp8"))
    adapter = AdapterFile.find(str(home / "adapter"), alpha=8)
    with pytest.raises(WeightsError, match="eight bits"):
        load_engine(tmp_path / "fp8", adapter=adapter)
    with pytest.raises(WeightsError, match="eight bits"):
        convert(Order(source=tmp_path / "fp8", target=tmp_path / "x", precision="fp8", adapter=adapter))


def test_alpha_is_never_guessed(home: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="nothing says the alpha"):
        AdapterFile.find(str(home / "adapter")).read()
    folder = Path(shutil.copytree(home / "adapter", tmp_path / "adapter"))
    (folder / "adapter_config.json").write_text('{"r": 4, "lora_alpha": 2}')
    assert AdapterFile.find(str(folder)).read()[1:] == (2.0, 4)
    write_adapter(tmp_path / "published" / "liveavatar.safetensors", rank=128)
    assert AdapterFile.find(str(tmp_path / "published")).read()[1:] == (64.0, 128)


def test_published_repository_name_finds_its_copy_beside_the_checkpoint(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "adapter", tmp_path / "ckpt" / "LiveAvatar")
    found = AdapterFile.find("Quark-Vision/Live-Avatar", tmp_path / "ckpt" / "Wan2.2-S2V-14B")
    assert found.path == tmp_path / "ckpt" / "LiveAvatar" / "liveavatar.safetensors"
    with pytest.raises(WeightsError, match="no adapter Quark-Vision/Live-Avatar") as caught:
        AdapterFile.find("Quark-Vision/Live-Avatar", tmp_path / "elsewhere" / "Wan2.2-S2V-14B")
    assert "nothing is downloaded" in caught.value.hint


def test_eight_bit_file_without_its_scales_is_refused(home: Path) -> None:
    tensors = load_tensors(home / "equal" / TRANSFORMER)
    name = "blocks.0.ffn.2.weight"
    rows = quantise_rows(tensors[name])
    with pytest.raises(WeightsError, match="without scales"):
        PartSource({**tensors, name: rows.values}, "file", "cpu", torch.bfloat16)
    with pytest.raises(WeightsError, match="no eight-bit codes"):
        PartSource({**tensors, name + SCALE: scale_of(rows).view(-1)}, "file", "cpu", torch.bfloat16)
    with pytest.raises(WeightsError, match="one float32 scale per row"):
        odd = {**tensors, name: rows.values, name + SCALE: scale_of(rows)}
        PartSource(odd, "file", "cpu", torch.bfloat16)
