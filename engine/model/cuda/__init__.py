"""The transformer and the decoder with fused kernels, for CUDA devices. `kernels.py` needs triton."""
