"""`weights check`: which file is bad, why, and what to do. Every kind of damage is made on purpose."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.catalog import SHAPES
from engine.errors import WeightsError
from engine.model.checkpoint.check import NoWeights, check
from engine.model.checkpoint.conversion import Order, convert
from engine.model.checkpoint.expected import expected_tensors
from engine.model.checkpoint.findings import Findings, Verdict
from engine.model.checkpoint.pages import MappedPages
from engine.model.checkpoint.pickles import load_pickled
from engine.model.config import TransformerConfig
from engine.model.linears import is_large
from engine.model.manifest import FILES, SPEECH, TEXT, TRANSFORMER, VAE, Manifest
from engine.model.pocket import SHIPPED
from engine.model.text import TextConfig
from engine.model.vae import VaeConfig
from engine.model.weights import load_tensors
from tests.unit.engine.public_rig import INDEX, SHARD, SHARDS, T5, TOKENIZER, WAV2VEC, write_adapter, write_public
from tests.unit.engine.public_rig import VAE as VAE_FILE

SECOND = SHARD.format(2, SHARDS)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_public(tmp_path_factory.mktemp("checkpoints") / "public")


@pytest.fixture(scope="module")
def converted(whole: Path) -> Path:
    convert(Order(source=whole, target=whole.parent / "converted", precision="fp8", shard_bytes=400_000))
    return whole.parent / "converted"


@pytest.fixture
def public(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "public"))


def test_the_large_model_has_the_published_numbers_of_tensors_and_parameters() -> None:
    manifest = Manifest(
        name="", is_trained=True, transformer=TransformerConfig.from_shape(SHAPES["live-avatar-14b"]), vae=VaeConfig(),
        speech={}, files={}, dtype="bfloat16", sha256="", precision="fp8",
        text=TextConfig(
            vocab_size=256384, dim=4096, dim_attn=4096, dim_ffn=10240, num_heads=64, encoder_layers=24
        ),
    )  # fmt: skip
    counts = {}
    for part in (TRANSFORMER, VAE, TEXT):
        shapes = {name: s for name, s in expected_tensors(part, manifest).items() if not name.endswith("_scale")}
        counts[part] = (len(shapes), sum(torch.Size(shape).numel() for shape in shapes.values()))
        if part == TRANSFORMER:
            large = [torch.Size(shape).numel() for name, shape in shapes.items() if is_large(name)]
    assert counts[TRANSFORMER] == (1260, 16_295_755_609)
    assert (len(large), sum(large)) == (460, 15_938_355_200)
    assert counts[VAE] == (194, 126_892_531)
    assert counts[TEXT] == (242, 5_680_910_336)


def test_whole_directories_are_complete_to_the_last_byte(whole: Path, converted: Path) -> None:
    for place, kind in ((whole, "public checkpoint"), (converted, "model directory")):
        found = check(place, is_deep=True)
        assert (found.verdict, found.kind, found.problems, found.warnings) == (Verdict.COMPLETE, kind, [], [])
        assert {state["state"] for state in found.files.values()} == {"ok"}
        assert set(found.tensors) == {part.removesuffix(".safetensors") for part in FILES}
        assert all(count["found"] == count["expected"] for count in found.tensors.values())
    assert check(whole).tensors["transformer"]["found"] == 141
    assert check(SHIPPED, is_deep=True).verdict == Verdict.COMPLETE  # zeros in a file of the right hash are meant


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def replace(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


def unlink(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("file", "damage", "words"),
    [
        (SECOND, unlink, "is missing"),
        (SECOND, cut, "was cut off"),
        (SECOND, grow, "4 too many"),
        (SECOND, replace(POINTER), "Git LFS pointer"),
        (SECOND, replace(b"<!DOCTYPE html><p>404"), "web page"),
        (SECOND, replace(b'{"error": "gated"}'), "error message"),
        (SECOND, replace(b""), "is empty"),
        (SECOND, replace(bytes(4096)), "zeros only"),
        (T5, replace(POINTER), "Git LFS pointer"),
        (T5, cut, "was cut off"),
        (VAE_FILE, cut, "was cut off"),
        (VAE_FILE, replace(b"text"), "damaged"),
        (f"{WAV2VEC}/model.safetensors", cut, "was cut off"),
        (f"{WAV2VEC}/config.json", unlink, "misses wav2vec2"),
        (f"{TOKENIZER}/tokenizer.json", unlink, "tokenizer.json nor spiece.model"),
        (f"{TOKENIZER}/tokenizer.json", replace(POINTER), "Git LFS pointer"),
        ("config.json", unlink, "No such file"),
        ("config.json", replace(b"{"), "config.json"),
        (INDEX, replace(b"{}"), "weight_map"),
    ],
)
def test_bad_file_is_named_with_what_is_wrong_and_what_to_do(
    public: Path, file: str, damage: Callable[[Path], None], words: str
) -> None:
    damage(public / file)
    found = check(public)
    assert found.verdict == Verdict.UNUSABLE
    said = [f"{finding.file} {finding.what}" for finding in found.problems]
    assert any(words in text and Path(file).parts[0] in text for text in said), said
    assert all(finding.remedy for finding in found.problems)


def change(path: Path, **tensors: torch.Tensor | None) -> None:
    merged = {**load_file(path), **tensors}
    save_file({name: tensor for name, tensor in merged.items() if tensor is not None}, path)


def problems(found: Findings) -> str:
    return "\n".join(f"{finding.file} {finding.what}" for finding in found.problems)


def test_tensor_that_is_missing_unknown_or_of_another_shape_is_named_with_its_file(public: Path) -> None:
    first = next(name for name, tensor in load_file(public / SECOND).items() if tensor.dim() == 1)
    change(public / SECOND, **{first: None, "surprise": torch.zeros(2)})
    found = problems(check(public))
    assert f"{SECOND} misses 1 of 141 tensors, first {first}" in found
    assert f"{SECOND} has 1 unknown tensors, first surprise" in found
    assert f"{INDEX} does not fit the shards" in found
    change(public / SECOND, **{first: torch.zeros(3, dtype=torch.bfloat16), "surprise": None})
    assert f"{SECOND} has 1 tensors of another shape, first {first}: [3]" in problems(check(public))


def test_configuration_of_another_shape_does_not_fit_the_shards(public: Path) -> None:
    config = json.loads((public / "config.json").read_text())
    (public / "config.json").write_text(json.dumps({**config, "num_layers": 4}))
    assert "misses 27 of 168 tensors, first blocks.3." in problems(check(public))
    (public / "config.json").write_text(json.dumps({**config, "enable_motioner": True}))
    assert "enable_motioner" in problems(check(public))


def test_index_that_names_another_shard_is_found(public: Path) -> None:
    index = json.loads((public / INDEX).read_text())
    name = next(name for name, shard in index["weight_map"].items() if shard == SECOND)
    index["weight_map"][name] = SHARD.format(1, SHARDS)
    (public / INDEX).write_text(json.dumps(index))
    assert f"{name} lies in another shard" in problems(check(public))


def test_directory_without_an_index_is_complete_and_a_missing_number_is_noticed(public: Path) -> None:
    (public / INDEX).unlink()
    assert check(public).verdict == Verdict.COMPLETE
    (public / SHARD.format(3, SHARDS)).unlink()
    assert f"{SHARD.format(3, SHARDS)} is missing" in problems(check(public))


def test_encoder_of_another_width_does_not_fit_the_transformer(public: Path) -> None:
    config = json.loads((public / "config.json").read_text())
    (public / "config.json").write_text(json.dumps({**config, "text_dim": 80, "audio_dim": 80}))
    found = problems(check(public))
    assert f"{T5} is 64 wide; the transformer takes 80" in found
    assert f"{WAV2VEC}/model.safetensors is 64 wide; the transformer takes 80" in found


class Bomb:
    """What an attacker would put into a `.pth` file."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (os.environ["GREENROOM_BOMB"],)


def test_pickle_that_would_run_code_is_refused_and_nothing_runs(
    public: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENROOM_BOMB", str(tmp_path / "went-off"))
    torch.save({"token_embedding.weight": torch.zeros(2, 2), "x": Bomb()}, public / T5)
    found = check(public)
    assert "holds more than tensors" in problems(found)
    assert "mkdir" in problems(found)
    assert any("Do not use this file" in finding.remedy for finding in found.problems)
    with pytest.raises(WeightsError, match="holds more than tensors"):
        convert(Order(source=public, target=tmp_path / "target"))
    assert not (tmp_path / "went-off").exists()
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("content", [{"state": {"a": 1}}, [torch.zeros(1)], {}, {"a": 1.5}, {3: torch.zeros(1)}])
def test_pickle_that_is_no_flat_list_of_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="no flat list of tensors"):
        load_pickled(tmp_path / "a.pth")


def test_file_of_the_old_format_is_read_too(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6.0).reshape(2, 3)}
    torch.save(tensors, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(load_pickled(tmp_path / "a.pth")["a"], tensors["a"])


def test_unfinished_download_needs_attention(public: Path) -> None:
    (public / ".cache").mkdir()
    (public / ".cache" / "xyz.incomplete").write_bytes(b"half")
    found = check(public)
    assert found.verdict == Verdict.NEEDS_ATTENTION
    assert "unfinished download" in found.warnings[0].what


def test_deep_check_compares_with_the_list_of_sums(public: Path) -> None:
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(public.glob("*.safetensors"))]
    (public / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    assert check(public, is_deep=True).verdict == Verdict.COMPLETE
    data = bytearray((public / SECOND).read_bytes())
    data[-3] ^= 1
    (public / SECOND).write_bytes(data)
    assert check(public).verdict == Verdict.COMPLETE, "only the deep check reads so far"
    assert f"{SECOND} is damaged: its sha256" in problems(check(public, is_deep=True))
    with pytest.raises(WeightsError, match="sha256"):
        convert(Order(source=public, target=public.parent / "target"))


def test_deep_check_finds_numbers_that_are_none_and_tensors_of_nothing(public: Path) -> None:
    first = next(name for name, tensor in load_file(public / SECOND).items() if tensor.dim() == 2)
    bad = load_file(public / SECOND)[first]
    bad[0, 0] = float("nan")
    change(public / SECOND, **{first: bad})
    assert f"NaN or infinite) in 1 tensors, first {first}" in problems(check(public, is_deep=True))
    change(public / SECOND, **{first: torch.zeros_like(bad)})
    found = check(public, is_deep=True)
    assert found.verdict == Verdict.NEEDS_ATTENTION
    assert f"nothing but zeros in 1 tensors, first {first}" in found.warnings[0].what


def test_deep_check_finds_a_flipped_bit_inside_a_pickled_file(public: Path) -> None:
    with zipfile.ZipFile(public / T5) as archive:
        largest = max(archive.infolist(), key=lambda info: info.file_size)
    data = bytearray((public / T5).read_bytes())
    data[largest.header_offset + 400 + largest.file_size // 2] ^= 4
    (public / T5).write_bytes(data)
    assert check(public).verdict == Verdict.COMPLETE
    assert f"{T5} is damaged: the checksum of" in problems(check(public, is_deep=True))


def test_model_directory_is_checked_against_its_own_list(converted: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(converted, tmp_path / "copy"))
    name = sorted(path.name for path in copy.glob("transformer-*"))[1]
    data = bytearray((copy / name).read_bytes())
    data[-1] ^= 1
    (copy / name).write_bytes(data)
    (copy / "note.txt").write_text("mine")
    assert [finding.file for finding in check(copy).warnings] == ["note.txt"]
    assert f"{name} is damaged: its sha256" in problems(check(copy, is_deep=True))
    (copy / name).unlink()
    assert f"{name} is missing; model.json lists it" in problems(check(copy))
    headless = (_without_heads(copy), "does not say num_heads")
    for said, what in (("[]", "holds no object"), ('{"files": {}}', "no transformer"), headless):
        (copy / "model.json").write_text(said)
        assert what in problems(check(copy))
    (copy / "model.json").unlink()
    (copy / TRANSFORMER).touch()
    assert "model.json is missing" in problems(check(copy))


def _without_heads(directory: Path) -> str:
    described = json.loads((directory / "model.json").read_text())
    del described["shape"]["num_heads"]
    return json.dumps(described)


def test_adapter_is_checked_for_halves_strangers_and_products(tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "adapter" / "liveavatar.safetensors", rank=128)
    assert (check(path.parent).verdict, check(path).verdict) == (Verdict.COMPLETE, Verdict.COMPLETE)
    assert "38 pairs of rank 128" in check(path).notes
    name = "blocks.0.self_attn.q"
    change(path, **{f"{name}.lora_A.default.weight": None})
    assert f"one half for {name}" in problems(check(path))
    write_adapter(path, rank=128)
    change(path, **{f"head.head.lora_{side}.weight": torch.zeros(4, 4) for side in "AB"})
    assert "no targets, first head.head" in problems(check(path))
    write_adapter(path, rank=128)
    change(path, **{"blocks.0.self_attn.q.weight": torch.zeros(4, 4)})
    assert "not one of a low-rank adapter" in problems(check(path))
    write_adapter(path, rank=4)
    assert check(path).verdict == Verdict.NEEDS_ATTENTION, "nothing says its alpha"


def test_place_without_weights_is_refused_with_what_would_be_some(tmp_path: Path) -> None:
    with pytest.raises(NoWeights, match="does not exist"):
        check(tmp_path / "nowhere")
    with pytest.raises(NoWeights) as caught:
        check(tmp_path)
    assert "config.json" in caught.value.hint


def test_speech_encoder_may_be_pickled_too(public: Path) -> None:
    folder = public / WAV2VEC
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    found = check(public)
    assert found.verdict == Verdict.COMPLETE
    assert found.tensors[SPEECH.removesuffix(".safetensors")]["found"] == 421


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config.json", {"num_heads": 0}),
        ("config.json", {"dim": "wide"}),
        ("config.json", {"num_layers": 10**9}),
        ("config.json", {"audio_inject_layers": 3}),
        (f"{WAV2VEC}/config.json", {"hidden_size": "wide"}),
        (f"{WAV2VEC}/config.json", {"num_attention_heads": 0}),
        (f"{WAV2VEC}/config.json", {"conv_dim": [1]}),
    ],
)
def test_configuration_that_describes_no_network_is_a_finding_and_no_crash(
    public: Path, file: str, change: dict[str, object]
) -> None:
    (public / file).write_text(json.dumps({**json.loads((public / file).read_text()), **change}))
    found = check(public)
    assert found.verdict == Verdict.UNUSABLE
    with pytest.raises(WeightsError):
        convert(Order(source=public, target=public.parent / "target"))


def test_pages_of_a_mapped_file_are_forgotten_and_memory_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    kept = torch.arange(100_000.0)
    save_file({"a": kept}, tmp_path / "a.safetensors")
    mapped = load_tensors(tmp_path / "a.safetensors")["a"]
    pages = MappedPages(tmp_path / "a.safetensors")
    copy = mapped.clone()
    for tensor in (mapped, copy):
        pages.forget(tensor)
        assert torch.equal(tensor, kept)


@pytest.mark.parametrize("content", [b"\x80\xff", b"{}", b'{"model": 3}'])
def test_tokenizer_that_cannot_be_read_is_found_by_the_deep_check(public: Path, content: bytes) -> None:
    (public / TOKENIZER / "tokenizer.json").write_bytes(content)
    assert f"tokenizer folder {public / TOKENIZER} cannot be read" in problems(check(public, is_deep=True))
