"""YAML files that people write: plain values only, every value with its line, all complaints at once."""

from __future__ import annotations

from scheduler.yaml_files.fields import Fields
from scheduler.yaml_files.reader import MAX_BYTES, Node, Problem, YamlError, read_yaml, text_of

__all__ = ["MAX_BYTES", "Fields", "Node", "Problem", "YamlError", "read_yaml", "text_of"]
