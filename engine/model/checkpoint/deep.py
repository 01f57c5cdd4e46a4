"""Reading every byte: sha256 against what is demanded, checksums inside `.pth` files, numbers that are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from engine.model.checkpoint.findings import Findings
from engine.model.checkpoint.pages import MappedPages
from engine.model.checkpoint.pickles import damaged_member, is_archive, load_pickled
from engine.model.checkpoint.public import PICKLES
from engine.model.hashes import hash_file
from engine.model.header import HINT
from engine.model.weights import load_tensors

_PIECE = 1 << 24  # numbers looked at at once
OnProgress = Callable[[str, int, int], None]


def read_everything(
    findings: Findings, files: Sequence[Path], demanded: Mapping[Path, str], on_progress: OnProgress
) -> None:
    """Compare hashes and look at every number of these files; what is wrong goes into `findings`."""
    there = [path for path in files if path.is_file() and findings.files[findings.name(path)]["state"] == "ok"]
    total, done = 2 * sum(path.stat().st_size for path in there), 0

    def count(what: str) -> Callable[[int], None]:
        def add(new: int) -> None:
            nonlocal done
            done += new
            on_progress(what, done, total)

        return add

    for path in there:
        name = findings.name(path)
        with findings.about(path):
            sha256 = hash_file(path, count(f"sha256 of {name}"))
            findings.files[name]["sha256"] = sha256
            if path in demanded and sha256 != demanded[path]:
                what = f"is damaged: its sha256 is {sha256}, not {demanded[path]}."
                findings.problem(path, what, HINT, "other_sha256", found=sha256, wanted=demanded[path])
        if path.suffix == ".safetensors" or path.suffix in PICKLES:
            is_proven = demanded.get(path) is not None and demanded[path] == findings.files[name].get("sha256")
            with findings.about(path):
                _scan(findings, path, count(f"numbers of {name}"), is_proven=is_proven)
    unknown = [findings.name(path) for path in there if path not in demanded]
    if unknown:
        findings.notes.append(
            f"{len(unknown)} of {len(there)} files are on no list of sums (SHA256SUMS): compare the sha256 with the publisher's"
        )


def _scan(findings: Findings, path: Path, add: Callable[[int], None], *, is_proven: bool) -> None:
    """Look at every number. `is_proven`: the file is the demanded one, so zeros in it are meant."""
    if path.suffix in PICKLES:
        if is_archive(path) and (member := damaged_member(path)):
            what = f"is damaged: the checksum of {member} inside it is wrong."
            findings.problem(path, what, HINT, "bad_checksum", member=member)
            return
        tensors = load_pickled(path)
    else:
        tensors = load_tensors(path)
    pages, bad, empty = MappedPages(path), list[str](), list[str]()
    for name, tensor in tensors.items():
        is_finite, is_empty = _look_at(tensor)
        if not is_finite:
            bad.append(name)
        elif is_empty and tensor.dim() > 1:
            empty.append(name)
        pages.forget(tensor)
        add(tensor.numel() * tensor.element_size())
    if bad:
        what = f"holds numbers that are none (NaN or infinite) in {len(bad)} tensors, first {bad[0]}."
        remedy = "Fetch this file again; if it comes back the same, the publisher's file is at fault."
        findings.problem(path, what, remedy, "not_finite", count=len(bad), first=bad[0])
    if empty and not is_proven:
        what = f"holds nothing but zeros in {len(empty)} tensors, first {empty[0]}."
        remedy = "A download that never finished looks like this: compare the sha256."
        findings.warning(path, what, remedy, "only_zeros", count=len(empty), first=empty[0])


def _look_at(tensor: Tensor) -> tuple[bool, bool]:
    """(all numbers are finite, all are zero)"""
    flat, is_empty = tensor.reshape(-1), True
    for piece in flat.split(_PIECE):
        values = piece if piece.dtype != torch.float8_e4m3fn else piece.float()
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            return False, False
        is_empty = is_empty and not bool(values.any())
    return True, is_empty
