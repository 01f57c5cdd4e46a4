"""Runs golden cases: small random models with the published implementation's inputs and outputs.

A case is a folder; its `config.json` says of which kind it is and what tolerance it demands (see `case.py`).
"""
