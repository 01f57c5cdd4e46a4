"""PURE: events go in, actions come out. No clock, disk, process, thread or randomness in this package."""
