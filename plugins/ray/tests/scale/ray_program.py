"""A program that explains a data set on Ray: ``python ray_program.py OUT``."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[4] / "tests" / "scale"))
    import scale_models
    import torch

    from salience import Explainer, load_model

    torch.set_num_threads(1)
    explainer = Explainer(load_model("scale_models:slow", None), "tensor", max_rows=8)
    explainer.explain_dataset(
        scale_models.rows(),
        sys.argv[1],
        "gradient",
        ["gaussian"],
        2,
        unit_items=16,
        executor="ray:processes=2",
    )
