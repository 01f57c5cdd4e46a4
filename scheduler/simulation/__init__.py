"""A studio in virtual time around the real core: traces in, waits and ranges out."""
