"""A role's adapters as `roles.yaml` names them: a file or folder, or maps with alpha and weight, one or a list of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scheduler.yaml_files import Fields, Node

KEY = "adapter"
MOST_ADAPTERS = 4
_HINT = 'Write adapter: "lora/teacher", or adapter: {file: "lora/teacher", alpha: 4, weight: 0.8}, or a list of these.'


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterDraft:
    """One adapter before its file was checked. `alpha` None: the file or its adapter_config.json says it."""

    path: Path
    alpha: float | None = None
    weight: float = 1.0


def read_adapters(fields: Fields, base_dir: Path) -> tuple[AdapterDraft, ...]:
    """The role's adapters; complaints go to the fields' list."""
    node = fields.get(KEY)
    if node is None:
        return ()
    items = node.value if isinstance(node.value, list) else [node]
    if not 0 < len(items) <= MOST_ADAPTERS:
        message, hint = f"{len(items)} adapters.", f"Use 1 to {MOST_ADAPTERS}."
        fields.complain(node, message, hint, KEY, code="many_adapters", count=len(items), most=MOST_ADAPTERS)
        return ()
    found = [_adapter(fields, item, base_dir) for item in items]
    return tuple(draft for draft in found if draft is not None)


def _adapter(fields: Fields, node: Node, base_dir: Path) -> AdapterDraft | None:
    if isinstance(node.value, str):
        path = _file(fields, node, node.value, base_dir)
        return None if path is None else AdapterDraft(path=path)
    if not isinstance(node.value, dict):
        fields.complain(node, "an adapter is a file name or a map.", _HINT, KEY, code="adapter_form")
        return None
    inner = Fields(node, f"{fields.path}.{KEY}", ("file", "alpha", "weight"), fields.problems)
    if not inner.need("file", _HINT):
        return None
    alpha, weight = inner.number("alpha", None, 1e-3, 1e4), inner.number("weight", 1.0, -4.0, 4.0)
    path = _file(fields, node, inner.text("file", max_length=400), base_dir)
    return None if path is None or weight is None else AdapterDraft(path=path, alpha=alpha, weight=weight)


def _file(fields: Fields, node: Node, name: str, base_dir: Path) -> Path | None:
    """The one safetensors file that is meant, inside the folder of the roles file."""
    root = base_dir.resolve()
    if not name or "\x00" in name:
        fields.complain(node, "adapter is not a file name.", _HINT, KEY, code="no_file_name", named=KEY)
        return None
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        _outside(fields, node, name)
        return None
    if path.is_dir():
        inside = sorted(path.glob("*.safetensors"))
        if len(inside) != 1:
            names = ", ".join(file.name for file in inside[:5]) or "none"
            message = f"the folder {name!r} holds not one adapter file: {names}."
            fields.complain(node, message, "Name the file.", KEY, code="adapter_folder", found=name, count=len(inside))
            return None
        path = inside[0].resolve()
        if not path.is_relative_to(root):
            _outside(fields, node, path.name)
            return None
    if not path.is_file():
        message = f"there is no adapter {name!r}."
        fields.complain(node, message, f"It is looked for in {root}.", KEY, code="no_such_file", found=name, folder=str(root))
        return None
    return path


def _outside(fields: Fields, node: Node, name: str) -> None:
    message = f"{name!r} lies outside the folder of the roles file."
    fields.complain(node, message, "Copy the file into it.", KEY, code="outside_folder", found=name)
