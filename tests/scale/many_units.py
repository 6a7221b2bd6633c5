"""A program that prints how much memory it needs: ``python many_units.py FOLDER EXECUTOR``.

It explains 200 and then 10 000 units of a row each, and prints its peak in bytes after each.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

if __name__ == "__main__":
    import scale_models
    import torch

    from salience import Explainer, load_model

    torch.set_num_threads(1)
    explainer = Explainer(load_model("scale_models:table", None), "tensor", max_rows=64)
    for number in (200, 10_000):
        out = Path(sys.argv[1]) / str(number)
        settings = {"unit_items": 1, "executor": sys.argv[2]}
        results = explainer.explain_dataset(scale_models.rows(number), out, **settings)
        assert len(results) == number
        print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
