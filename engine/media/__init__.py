"""Files that people bring and take away: pictures and voices in, video out. PyAV, numpy and Pillow; no torch."""
