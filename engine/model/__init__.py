"""The network code: plain PyTorch, config-driven; the 14B model and the pocket model are the same classes.

Importing this package imports nothing; torch comes with the modules below it.
"""
