"""Checkpoint directories: recognising them, checking them, converting them. `python -m engine.model.checkpoint -h`."""
