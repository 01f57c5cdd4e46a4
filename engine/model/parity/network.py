"""Cases of the transformer and its parts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.model.audio import PUBLISHED_COPIES, AudioProjector
from engine.model.injector import AudioInjector
from engine.model.parity.case import Case
from engine.model.rings import KeyStore, RingReader, SinkWriter
from engine.model.rope import block_positions, phases, rotate, sink_positions, sink_shift
from engine.model.sampler import euler_step, schedule
from engine.model.transformer import Transformer, sink_rows
from engine.model.weights import assign, empty_weights


def build(case: Case, file: str = "weights.safetensors") -> Transformer:
    """The case's transformer with its weights."""
    with empty_weights():
        model = Transformer(case.transformer_config())
    assign(model, case.weights(file=file), file)
    return model


def part(case: Case, names: tuple[str, ...]) -> Transformer:
    """A transformer of which only the named parts have weights."""
    with empty_weights():
        model = Transformer(case.transformer_config())
    for name in names:
        assign(model.get_submodule(name), case.weights(f"{name}."), name)
    return model


def key_store(model: Transformer, rows: int) -> KeyStore:
    """Zeroed keys and values for all layers."""
    config = model.config
    shape = (config.num_layers, rows, config.num_heads, config.head_dim)
    return KeyStore(torch.zeros(shape), torch.zeros(shape))


def audio_projector(case: Case) -> None:
    """The published 73 copies and our single one must both agree."""
    model = case.config["model"]
    with empty_weights():
        projector = AudioProjector(model["audio_dim"], model["dim"], model["num_audio_token"])
    assign(projector, case.weights("casual_audio_encoder."), "weights")
    for copies in (PUBLISHED_COPIES, 1):
        outputs = [projector(speech, copies) for speech in case.inputs["audio"]]
        for name, values in zip(("audio_global", "audio_local"), zip(*outputs, strict=True), strict=True):
            case.check(name, torch.stack(values))


def audio_injection(case: Case) -> None:
    """One injector on two token streams."""
    model = case.config["model"]
    with empty_weights():
        injector = AudioInjector(model["dim"], model["num_heads"], len(model["audio_inject_layers"]), 1e-6)
    assign(injector, case.weights("audio_injector."), "weights")
    index = case.run["injector_index"]
    audio = injector.keys(case.inputs["audio_global"][0], case.inputs["audio_local"][0])[index]
    for name in ("normal", "low_variance"):
        tokens = case.inputs[f"tokens.{name}"][0]
        out = injector(tokens, index, audio)
        case.check(f"tokens_out.{name}", out[None])
        case.check(f"added.{name}", (out - tokens)[None])


def frame_packer(case: Case) -> None:
    """Sink tokens, phases and rotation."""
    model = part(case, ("patch_embedding", "frame_packer", "trainable_cond_mask"))
    rows, columns = case.run["latent_height"] // 2, case.run["latent_width"] // 2
    reference = case.inputs["ref_latents"][0]
    for suffix, name in (("", "motion_latents"), (".short", "motion_latents_short")):
        motion = case.inputs[name][0]
        case.check(f"motion_tokens{suffix}", model.frame_packer(motion)[None])
        case.check(f"sink_tokens{suffix}", model.sink_tokens(reference, motion)[None])
    for name in [n.removesuffix(".cos") for n in case.outputs if n.endswith(".cos")]:
        _check_phases(case, name, rows, columns)
    head_dim = case.run["head_dim"]
    at = phases(block_positions(case.run["rotated_q_first_frame"], rows, columns), head_dim)
    case.check("rotated_q", rotate(case.inputs["q"][0], at)[None])
    at = phases(sink_positions(case.run["rotated_sink_q_shift"], rows, columns), head_dim)
    case.check("rotated_sink_q", rotate(case.inputs["sink_q"][0], at)[None])


def _check_phases(case: Case, name: str, rows: int, columns: int) -> None:
    is_wide = name.startswith("head_dim128.")
    kind, at = name.removeprefix("head_dim128.").split(".")
    number = int("".join(c for c in at if c.isdigit()) or 0)
    positions = (sink_positions if kind == "sink_phase" else block_positions)(number, rows, columns)
    got = phases(positions, 128 if is_wide else case.run["head_dim"])
    case.check(f"{name}.cos", got.cos, demand="phases")
    case.check(f"{name}.sin", got.sin, demand="phases")


def dit(case: Case) -> None:
    """Sink prefill, then every block at every step, with rings that wrap around."""
    model, run = build(case), case.run
    rows, columns = run["latent_height"] // 2, run["latent_width"] // 2
    seen = _watch(model)
    text = model.encode_text(case.inputs["text_embeddings"])
    sink = key_store(model, sink_rows(rows, columns))
    writer = SinkWriter(sink, phases(sink_positions(0, rows, columns), model.config.head_dim))
    model.prefill(case.inputs["ref_latents"][0], case.inputs["motion_latents"][0], text, model.modulation(0.0), writer)
    for layer in run["debug_layers"]:
        case.check(f"debug.prefill.layer{layer}.tokens_out", seen[f"layer{layer}"][None])
    case.check("debug.prefill.tokens_in", seen["tokens_in"][None])

    rings = [key_store(model, run["ring_tokens"]) for _ in range(run["denoise_steps"])]
    outputs, finals = [], []
    for block, (noise, speech) in enumerate(zip(case.inputs["noise"], case.inputs["audio"], strict=True)):
        if block == 0:
            seen.clear()
        x, steps = denoise(model, noise, speech, text, block, rings, sink, run["reference_rope_distance"])
        outputs.append(torch.stack(steps))
        finals.append(x)
        if block == 0:
            _check_debug(case, model, seen, speech)
    case.check("model_output", torch.stack(outputs))
    case.check("latents_final", torch.stack(finals))
    _check_stores(case, sink, rings)


def denoise(
    model: Transformer, noise: Tensor, speech: Tensor, text: list[Any], block: int, rings: list[KeyStore],
    sink: KeyStore, distance: int,
) -> tuple[Tensor, list[Tensor]]:  # fmt: skip
    """All steps of one block with a fixed reference distance: final latents and the model's answer at every step."""
    plan, (rows, columns) = schedule(len(rings)), (noise.shape[2] // 2, noise.shape[3] // 2)
    head_dim = model.config.head_dim
    block_phases = phases(block_positions(3 * block, rows, columns), head_dim)
    sink_phases = phases(sink_positions(sink_shift(3 * block, distance), rows, columns), head_dim)
    audio, x, outputs = model.encode_audio(speech), noise, []
    for step, ring in enumerate(rings):
        memory = RingReader(ring, sink, block, block_phases, sink_phases)
        outputs.append(model(x, model.modulation(plan.timesteps[step]), memory, text, audio))
        x = euler_step(x, outputs[-1], plan.sigmas[step], plan.sigmas[step + 1])
    return x, outputs


def _watch(model: Transformer) -> dict[str, Tensor]:
    """Token streams as they pass, by hooks: the first value after a clear stays."""
    seen: dict[str, Tensor] = {}
    layers = model.config.audio_inject_layers

    def after_layer(layer: int) -> Any:
        def hook(_module: object, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if layer == 0:
                seen.setdefault("tokens_in", inputs[0])
            seen.setdefault(f"layer{layer}", output)

        return hook

    def after_injection(_module: object, inputs: tuple[Any, ...], output: Tensor) -> None:
        seen.setdefault(f"injected{layers[inputs[1]]}", output)

    for layer, block in enumerate(model.blocks):
        block.register_forward_hook(after_layer(layer))
    model.audio_injector.register_forward_hook(after_injection)
    return seen


def _check_debug(case: Case, model: Transformer, seen: dict[str, Tensor], speech: Tensor) -> None:
    overall, local = model.casual_audio_encoder(speech)
    case.check("debug.block0.audio_global", overall[None])
    case.check("debug.block0.audio_local", local[None])
    case.check("debug.block0_step0.tokens_in", seen["tokens_in"][None])
    for layer in case.run["debug_layers"]:
        stream = seen.get(f"injected{layer}", seen[f"layer{layer}"])
        case.check(f"debug.block0_step0.layer{layer}.tokens_out_after_audio", stream[None])


def _check_stores(case: Case, sink: KeyStore, rings: list[KeyStore]) -> None:
    for name in case.outputs:
        if name.startswith("sink_"):
            layer = int(name.rsplit("layer", 1)[1])
            case.check(name, (sink.k if name.startswith("sink_k") else sink.v)[layer])
        if name.startswith("ring_"):
            _, step, layer_name = name.split(".")
            ring = rings[int(step.removeprefix("step"))]
            case.check(name, (ring.k if name.startswith("ring_k") else ring.v)[int(layer_name.removeprefix("layer"))])
