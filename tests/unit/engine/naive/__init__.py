"""A second implementation of the network, straight from the formulas: numpy, float64, loops, no rings, no caches.

Slow and plain on purpose: it is what the engine is compared with where no golden data is at hand.
"""
