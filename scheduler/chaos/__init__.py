"""Fault injection for real: real processes, real signals, real files, and a checker that believes only what is on the disk."""
