"""A directory of weights -> an engine. On the CPU tensors stay views of the buffers that `open_file` gives."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.errors import WeightsError
from engine.memory.offload import RESIDENT, Offload
from engine.model.block_engine import BlockEngine
from engine.model.checkpoint.adapters import AdapterFile
from engine.model.checkpoint.model_files import ModelFiles, open_model
from engine.model.checkpoint.pages import MappedPages
from engine.model.checkpoint.source import PartSource
from engine.model.config import TransformerConfig
from engine.model.hashes import FileHashes, hash_file
from engine.model.header import HINT
from engine.model.linears import is_large
from engine.model.lora import Adapter
from engine.model.manifest import SPEECH, TEXT, TRANSFORMER, VAE
from engine.model.slab import Keep, NeedsContent, Shelf, build_shared, everything, keep_here, travelling
from engine.model.speech import build_speech_encoder
from engine.model.text import TextConfig, build_text_encoder, load_tokenizer
from engine.model.transformer import Transformer
from engine.model.vae import VideoAutoencoder
from engine.model.weights import empty_weights, map_file, tensors_of

LARGEST_RESIDENT_ENCODER = 1 << 30  # bytes of a text encoder that may stay on a device
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
OpenFile = Callable[[str, str | None], tuple[memoryview, str]]  # (path, demanded sha256) -> (content, its sha256)
_log = logging.getLogger("greenroom.weights")


def open_verified(path: str, sha256: str | None = None) -> tuple[memoryview, str]:
    """Map a file after hashing it. Raises WeightsError when its content is not the demanded one."""
    return open_remembered(FileHashes())(path, sha256)


def open_remembered(hashes: FileHashes) -> OpenFile:
    """As `open_verified`, without reading again what `hashes` remembers."""

    def open_file(path: str, sha256: str | None = None) -> tuple[memoryview, str]:
        buffer = map_file(Path(path))
        found = hashes.of(Path(path))
        if sha256 is not None and found != sha256.lower():
            hint = "Its content is not what model.json lists: fetch or convert this file again."
            raise WeightsError(f"{path} is damaged: its sha256 is {found}, not {sha256}.", hint=hint, path=path)
        return buffer, found

    return open_file


def load_engine(
    model: Path | ModelFiles, open_file: OpenFile = open_verified, device: str = "cpu", *, precision: str | None = None,
    adapter: AdapterFile | None = None, offload: Offload = RESIDENT, adapter_rank: int = 0, shelf: Shelf | None = None,
    is_encoding: bool = False,
) -> BlockEngine:  # fmt: skip
    """Load a model directory or a public checkpoint (`engine.model.checkpoint.model_files`).

    `open_file` gives a read-only buffer of a whole file, a mapping or the vault's copy, and has compared its hash. On a
    device tensors travel one by one, and a bfloat16 model gets the fused kernels of `engine.model.cuda`; `precision`
    "bf16" or "fp8" chooses its large products ("plain": the same code as on the CPU). `adapter` is merged on the way.
    `offload` and `adapter_rank` (room for role adapters) are for the fused kernels. With a `shelf` the weights lie in its
    memory on the device, where others may have put them already. `is_encoding`: it will only `prepare` and `hear`, so the
    transformer's large layers stay without content. Raises WeightsError naming the file and what to do.
    """
    files = model if isinstance(model, ModelFiles) else open_model(model)
    manifest, dtype = files.manifest, _dtype(files)
    tensors, found = _open_all(files, open_file)
    plain = device == "cpu" or manifest.dtype != "bfloat16"
    precision = precision or ("plain" if plain else "fp8" if manifest.precision == "fp8" else "bf16")
    merged, weights_sha256 = _adapter(files, adapter, tensors[TRANSFORMER], files.weights_sha256(found))

    extra = () if adapter is None else (adapter.path,)

    def source(part: str, *, is_expanded: bool = False, adapter: Adapter | None = None, place: str = device) -> PartSource:
        return PartSource(
            tensors[part], _name(files, part), place, dtype, is_expanded=is_expanded, adapter=adapter,
            forget=MappedPages(*files.parts[part], *extra).forget,
        )  # fmt: skip

    def build(keep: Keep, needs: NeedsContent) -> tuple[VideoAutoencoder, Transformer]:
        with empty_weights():
            vae = VideoAutoencoder(manifest.vae)
        is_expanded = precision != "fp8"
        of_vae = Chosen(source(VAE), source(VAE, place="meta"), needs)
        own = source(TRANSFORMER, is_expanded=is_expanded, adapter=merged)
        chosen = Chosen(own, source(TRANSFORMER, is_expanded=is_expanded, place="meta"), needs)
        of_vae.fill(vae, keep)
        return vae, build_transformer(manifest.transformer, chosen, precision, offload, adapter_rank, keep)

    if shelf is None:
        vae, transformer = build(keep_here, (lambda name: not is_large(name)) if is_encoding else everything)
    else:
        identity = [weights_sha256, precision, adapter_rank, dataclasses.asdict(offload)]
        vae, transformer = build_shared(shelf, identity, build, travelling(offload, manifest.transformer.num_layers))

    def text_encoder() -> nn.Module:
        return _text_encoder(manifest.text, tensors[TEXT], _name(files, TEXT), device, dtype)

    def speech_encoder() -> nn.Module:
        return build_speech_encoder(manifest.speech, source(SPEECH).all(), _name(files, SPEECH))

    return BlockEngine(
        manifest.shape(), transformer, vae, tokenizer=load_tokenizer(manifest.text, files.directory),
        text_encoder=text_encoder, speech_encoder=speech_encoder, weights_sha256=weights_sha256,
        is_trained=manifest.is_trained,
    )  # fmt: skip


def _text_encoder(
    config: TextConfig, tensors: dict[str, Tensor], name: str, device: str, dtype: torch.dtype
) -> nn.Module:
    """On a device a large encoder stays in host memory and passes through the device layer by layer at every prompt."""
    size = sum(x.numel() * x.element_size() for x in tensors.values())
    place = "cpu" if device == "cpu" or size > LARGEST_RESIDENT_ENCODER else device
    model = build_text_encoder(config, PartSource(tensors, name, place, dtype).all(), name)
    if place != device:
        from engine.model.cuda.travelling import let_travel  # needs a CUDA device

        let_travel(model, device)
    return model


class Chosen:
    """A part's tensors with content where it is needed, else without."""

    def __init__(self, own: PartSource, empty: PartSource, needs: NeedsContent) -> None:
        self.own, self._empty, self._needs = own, empty, needs

    def __call__(self, name: str) -> Tensor:
        """The tensor. Raises KeyError."""
        return self.own(name) if self._needs(name) else self._empty(name)

    def fill(self, module: nn.Module, keep: Keep) -> None:
        """Give a module without memory its weights."""
        self.own.check(module)
        module.load_state_dict({name: keep(self(name)) for name in self.own.names()}, assign=True)
        module.requires_grad_(False)
        module.eval()


def build_transformer(
    config: TransformerConfig, source: Chosen, precision: str, offload: Offload = RESIDENT, adapter_rank: int = 0,
    keep: Keep = keep_here,
) -> Transformer:  # fmt: skip
    """The transformer with its weights on a device; "plain", or with fused kernels and "bf16" or "fp8" products."""
    with empty_weights():
        model = Transformer(config)
    if precision == "plain":
        if source.own.expanded_bytes:
            size = source.own.expanded_bytes / 1e9
            _log.info("eight-bit weights are expanded to %.2f GB: this device has no eight-bit products", size)
        source.fill(model, keep)
        return model
    from engine.model.cuda.network import CudaTransformer  # its kernels need a CUDA device and triton

    source.own.check(model)
    return CudaTransformer.build(config, source, precision, offload=offload, adapter_rank=adapter_rank, keep=keep)


def _open_all(files: ModelFiles, open_file: OpenFile) -> tuple[dict[str, dict[str, Tensor]], dict[Path, str]]:
    """(part -> its tensors, file -> sha256)"""
    tensors: dict[str, dict[str, Tensor]] = {}
    found: dict[Path, str] = {}
    for part, paths in files.parts.items():
        tensors[part] = {}
        for path in paths:
            try:
                buffer, found[path] = open_file(str(path), files.known.get(path))
            except OSError as error:
                raise WeightsError(f"{path}: {error}.", hint=HINT, path=str(path)) from error
            for name, tensor in tensors_of(buffer, str(path)).items():
                if name in tensors[part]:
                    raise WeightsError(f"{path}: {name} is in another file too.", hint=HINT, path=str(path))
                tensors[part][name] = tensor
    if not files.is_public:
        _check_dtype(files, tensors[TRANSFORMER])
    return tensors, found


def _adapter(
    files: ModelFiles, adapter: AdapterFile | None, tensors: dict[str, Tensor], weights_sha256: str
) -> tuple[Adapter | None, str]:
    """The adapter, known to fit, and the hash of weights that have it merged."""
    if adapter is None:
        return None, weights_sha256
    sha256 = hash_file(adapter.path)
    if any(merged.sha256 == sha256 for merged in files.manifest.adapters):
        hint = "Leave --load_lora and --lora_path_dmd out."
        raise WeightsError(f"{adapter.path} is merged into {files.directory} already.", hint=hint)
    content, alpha, _ = adapter.read()
    fitted = Adapter.fitted({name: tensor.shape for name, tensor in tensors.items()}, content, alpha=alpha)
    text = json.dumps({"weights": weights_sha256, "adapter": sha256, "alpha": alpha})
    return fitted, hashlib.sha256(text.encode()).hexdigest()


def _dtype(files: ModelFiles) -> torch.dtype:
    if files.manifest.dtype not in DTYPES:
        raise WeightsError(f"{files.directory}: weights of kind {files.manifest.dtype} are not known.")
    return DTYPES[files.manifest.dtype]


def _check_dtype(files: ModelFiles, tensors: dict[str, Tensor]) -> None:
    """A model directory's transformer is of one kind (eight-bit layers are checked with their scales)."""
    for name, tensor in tensors.items():
        if tensor.dtype not in (_dtype(files), torch.float8_e4m3fn) and not name.endswith(".weight_scale"):
            where = _name(files, TRANSFORMER)
            raise WeightsError(f"{where}: {name} is not {files.manifest.dtype}.", hint="Convert this file again.")


def _name(files: ModelFiles, part: str) -> str:
    paths = files.parts[part]
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} to {paths[-1].name}"
