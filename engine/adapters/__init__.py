"""Role adapters (LoRA) as side paths over a resident base: the base is never changed, so switching is cheap and exact.

    fitted = fit(transformer, [Adapter.of(tensors, alpha, "teacher")])
    fitted.attach()      # from the next block on
    detach(transformer)  # the generic character again, bit for bit
"""

from __future__ import annotations

from engine.adapters.adapter import Adapter
from engine.adapters.fitting import Fitted, detach, fit

__all__ = ["Adapter", "Fitted", "detach", "fit"]
