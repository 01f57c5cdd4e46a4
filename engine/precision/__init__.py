"""Converters: the same product in other number formats."""
