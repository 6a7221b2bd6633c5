"""A program that explains a data set: ``python driver_program.py OUT EXECUTOR``."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

if __name__ == "__main__":
    import scale_models
    import torch

    from salience import Explainer, load_model

    # A shell lets what it starts in the background ignore interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    explainer = Explainer(load_model("scale_models:slow", None), "tensor", max_rows=8)
    explainer.explain_dataset(
        scale_models.rows(),
        sys.argv[1],
        "gradient",
        ["gaussian"],
        2,
        unit_items=16,
        executor=sys.argv[2],
    )
