"""A public checkpoint directory in small: the published file names, layouts and tensor names, random numbers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.model.config import TransformerConfig
from engine.model.lora import target_modules
from engine.model.pocket import SPEECH_SHAPE, draw
from engine.model.transformer import Transformer
from engine.model.vae import VaeConfig, VideoAutoencoder
from engine.model.weights import empty_weights

CONFIG = TransformerConfig(
    dim=96, ffn_dim=160, num_heads=2, num_layers=3, audio_dim=64, text_dim=64, text_len=64, audio_inject_layers=(0, 2)
)
TEXT = {"vocab_size": 64, "dim": 64, "dim_attn": 64, "dim_ffn": 96, "num_heads": 4, "encoder_layers": 2}
T5, VAE, WAV2VEC, TOKENIZER = (
    "models_t5_umt5-xxl-enc-bf16.pth", "Wan2.1_VAE.pth", "wav2vec2-large-xlsr-53-english", "google/umt5-xxl",
)  # fmt: skip
SHARDS = 3
SHARD = "diffusion_pytorch_model-{:05}-of-{:05}.safetensors"
INDEX = "diffusion_pytorch_model.safetensors.index.json"


def write_public(
    directory: Path, seed: int = 0, config: TransformerConfig = CONFIG, text: dict[str, int] = TEXT
) -> Path:  # fmt: skip
    """Write the directory: bfloat16 transformer and text encoder, float32 autoencoder and speech encoder."""
    directory.mkdir(parents=True)
    _write_config(directory, config)
    _write_shards(directory, {name: t.bfloat16() for name, t in transformer_tensors(seed, config).items()})
    torch.save({name: t.bfloat16() for name, t in text_tensors(seed, text).items()}, directory / T5)
    torch.save(vae_tensors(seed), directory / VAE)
    folder = directory / WAV2VEC
    folder.mkdir()
    save_file(speech_tensors(seed), folder / "model.safetensors", metadata={"format": "pt"})
    extra = {"architectures": ["Wav2Vec2ForCTC"], "model_type": "wav2vec2", "_name_or_path": "x", "final_dropout": 0.0}
    (folder / "config.json").write_text(json.dumps({**SPEECH_SHAPE, **extra}))
    _write_tokenizer(directory / TOKENIZER)
    return directory


def write_equivalent(public: Path, directory: Path) -> Path:
    """The same model as a model directory, written without the converter: everything in bfloat16."""
    directory.mkdir(parents=True)
    shards = [load_file(public / SHARD.format(i, SHARDS)) for i in range(1, SHARDS + 1)]
    parts = {
        "transformer": {name: tensor for shard in shards for name, tensor in shard.items()}, "vae": vae_tensors(),
        "text": text_tensors(), "speech": speech_tensors(),
    }  # fmt: skip
    for part, tensors in parts.items():
        save_file({name: t.bfloat16() for name, t in tensors.items()}, directory / f"{part}.safetensors")
    shutil.copytree(public / TOKENIZER, directory / "words")
    files = sorted(directory.glob("*.safetensors"))
    manifest = {
        "name": "small", "trained": True, "shape": {**dataclasses.asdict(CONFIG), "dtype": "bfloat16"}, "vae": {"dim": 8},
        "speech": SPEECH_SHAPE, "text": {**TEXT, "tokenizer": "words"},
        "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
    }  # fmt: skip
    (directory / "model.json").write_text(json.dumps(manifest))
    return directory


def write_adapter(path: Path, rank: int = 4, seed: int = 5, config: TransformerConfig = CONFIG) -> Path:
    """A full adapter for the transformer, in the published spelling."""
    tensors: dict[str, Tensor] = {}
    spelling = "{}.lora_{}.default.weight"
    shapes = {name: tuple(value.shape) for name, value in _empty_transformer(config).state_dict().items()}
    for module in target_modules(list(shapes)):
        out, inner = shapes[f"{module}.weight"]
        tensors[spelling.format(module, "A")] = draw(f"{module}.A", (rank, inner), str(seed)).bfloat16()
        tensors[spelling.format(module, "B")] = (0.3 * draw(f"{module}.B", (out, rank), str(seed))).bfloat16()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


def transformer_tensors(seed: int = 0, config: TransformerConfig = CONFIG) -> dict[str, Tensor]:
    """Under the published names."""
    return _drawn(_empty_transformer(config), f"{seed} transformer")


def vae_tensors(seed: int = 0) -> dict[str, Tensor]:
    """Under the published names, float32."""
    with empty_weights():
        module = VideoAutoencoder(VaeConfig(dim=8))
    return _drawn(module, f"{seed} vae")


def text_tensors(seed: int = 0, text: dict[str, int] = TEXT) -> dict[str, Tensor]:
    """Under the names of the published `.pth`, not those of the library's class."""
    dim, inner, wide, heads = (text[name] for name in ("dim", "dim_attn", "dim_ffn", "num_heads"))
    layer = {
        "norm1.weight": (dim,), "attn.q.weight": (inner, dim), "attn.k.weight": (inner, dim),
        "attn.v.weight": (inner, dim), "attn.o.weight": (dim, inner), "norm2.weight": (dim,),
        "ffn.gate.0.weight": (wide, dim), "ffn.fc1.weight": (wide, dim), "ffn.fc2.weight": (dim, wide),
        "pos_embedding.embedding.weight": (32, heads),
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {"token_embedding.weight": (text["vocab_size"], dim), "norm.weight": (dim,)}
    for index in range(text["encoder_layers"]):
        shapes |= {f"blocks.{index}.{name}": shape for name, shape in layer.items()}
    return {name: draw(name, shape, f"{seed} text") for name, shape in shapes.items()}


def speech_tensors(seed: int = 0) -> dict[str, Tensor]:
    """Under the published names, with what is used in training or for words only."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    with empty_weights():
        model = Wav2Vec2Model(Wav2Vec2Config(**SPEECH_SHAPE, apply_spec_augment=False, mask_time_prob=0.0))
    drawn = _drawn(model, f"{seed} speech")
    old = "parametrizations.weight.original"
    tensors = {
        f"wav2vec2.{name}".replace(f"{old}0", "weight_g").replace(f"{old}1", "weight_v"): tensor
        for name, tensor in drawn.items()
    }
    width = SPEECH_SHAPE["hidden_size"]
    more = {"lm_head.weight": (33, width), "lm_head.bias": (33,), "wav2vec2.masked_spec_embed": (width,)}
    return tensors | {name: draw(name, shape, f"{seed} speech") for name, shape in more.items()}


def _empty_transformer(config: TransformerConfig) -> nn.Module:
    with empty_weights():
        return Transformer(config)


def _drawn(module: nn.Module, salt: str) -> dict[str, Tensor]:
    return {name: draw(name, tuple(value.shape), salt) for name, value in module.state_dict().items()}


def _write_config(directory: Path, shape: TransformerConfig) -> None:
    config: dict[str, Any] = {
        "_class_name": "WanModel_S2V", "_diffusers_version": "0.34.0", "model_type": "s2v", "enable_adain": True,
        "adain_mode": "attn_norm", "zero_init": True, "zero_timestep": True, "enable_motioner": False,
        "add_last_motion": True, "enable_tsm": False, "trainable_token_pos_emb": False, "motion_token_num": 1024,
        "enable_framepack": True, "framepack_drop_mode": "padd", **dataclasses.asdict(shape),
    }  # fmt: skip
    (directory / "config.json").write_text(json.dumps(config))


def _write_shards(directory: Path, tensors: dict[str, Tensor]) -> None:
    weight_map: dict[str, str] = {}
    size = sum(t.numel() * t.element_size() for t in tensors.values())
    for number in range(1, SHARDS + 1):
        name = SHARD.format(number, SHARDS)
        part = {key: tensors[key] for key in sorted(tensors)[number - 1 :: SHARDS]}
        save_file(part, directory / name, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, name)
    (directory / INDEX).write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": weight_map}))


def _write_tokenizer(folder: Path) -> None:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

    letters = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,"
    vocabulary = {token: i for i, token in enumerate(["<pad>", "</s>", "<unk>", *letters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "pad_token": "<pad>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "unk_token": "<unk>"}))
