"""Cases without a network: sampler, adapter merge, eight-bit quantisation."""

from __future__ import annotations

import torch

from engine.model import fp8, lora
from engine.model.parity.case import Case
from engine.model.sampler import euler_step, schedule


def sampler(case: Case) -> None:
    """Schedules, and the updates in both precisions."""
    for steps in case.run["steps"]:
        plan = schedule(steps)
        case.check(f"n{steps}.sigmas", plan.sigmas)
        case.check(f"n{steps}.timesteps", plan.timesteps)
        for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
            x, seen = case.inputs[f"n{steps}.x0"].to(dtype), []
            for i, velocity in enumerate(case.inputs[f"n{steps}.model_output"].to(dtype)):
                x = euler_step(x, velocity, plan.sigmas[i], plan.sigmas[i + 1])
                seen.append(x[0])
            case.check(f"n{steps}.{name}.x_after_step", torch.stack(seen))


def merged_adapter(case: Case) -> None:
    """Both spellings of the adapter change exactly the expected weights."""
    weights = case.weights()
    for file in ("adapter.safetensors", "adapter_noprefix.safetensors"):
        changed = lora.merge(weights, case.tensors(file), alpha=case.run["lora_alpha"])
        for name, value in changed.items():
            case.check(name, value)


def fp8_linear(case: Case) -> None:
    """Codes, scales and products, with and without the intermediate rounding."""
    weights = case.weights()
    for layer in case.run["layers"]:
        x, weight = case.inputs[f"{layer}.input"], weights[f"{layer}.weight"]
        bias = weights[f"{layer}.bias"]
        plain = torch.nn.functional.linear(x.float(), weight.float(), bias.float())
        case.check(f"{layer}.output_unquantised_fp32", plain)
        for suffix, is_double in (("", True), ("_single_rounded", False)):
            codes_x = fp8.quantise(x, is_double_rounded=is_double)
            codes_w = fp8.quantise(weight, is_double_rounded=is_double)
            out = fp8.linear(codes_x, codes_w, bias)
            case.check(f"{layer}.input_fp8{suffix}", codes_x[0], demand="codes")
            case.check(f"{layer}.weight_fp8{suffix}", codes_w[0], demand="codes")
            case.check(f"{layer}.output_fp32{suffix}", out)
            if is_double:
                case.check(f"{layer}.input_scale_inv", codes_x[1], demand="scales")
                case.check(f"{layer}.weight_scale_inv", codes_w[1], demand="scales")
                case.check(f"{layer}.output_bf16", out.to(torch.bfloat16))
