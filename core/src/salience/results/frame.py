"""An explanation as a long table."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import torch

from salience.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from salience.results.explanation import Explanation
from salience.results.saliency import Saliency


def to_dataframe(explanation: Explanation) -> pd.DataFrame:
    """See :meth:`salience.Explanation.to_dataframe`."""
    try:
        import pandas as pd
    except ImportError as error:
        raise InputError(
            "to_dataframe needs pandas, which is not installed; run: pip install pandas"
        ) from error
    names = explanation.facts.get("columns")
    frames = []
    for variable, saliency in explanation.saliency.items():
        item, position = _positions(explanation, saliency)
        if names is not None and saliency.flat.shape[1:] == (len(names),):
            position = [names[p] for p in position]
        ids = list(explanation.ids)
        frames.append(
            pd.DataFrame(
                {
                    "id": [ids[i] for i in item],
                    "variable": variable,
                    "position": position,
                    "saliency": saliency.flat.flatten().numpy(),
                    "std_error": saliency.flat_error.flatten().numpy(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _positions(explanation: Explanation, saliency: Saliency) -> tuple[list[int], list[Any]]:
    """Item and position within it of each value, in the order of the flat tensor."""
    inner = [range(length) for length in saliency.flat.shape[1:]]
    if saliency.counts is None:
        within = list(itertools.product(*inner)) * len(explanation)
        repeats = [torch.Size(saliency.flat.shape[1:]).numel()] * len(explanation)
    else:
        sizes = saliency.counts.tolist()
        within = [position for size in sizes for position in itertools.product(range(size), *inner)]
        each = torch.Size(saliency.flat.shape[1:]).numel()
        repeats = [size * each for size in sizes]
    items = [i for i, repeat in enumerate(repeats) for _ in range(repeat)]
    return items, [p[0] if len(p) == 1 else p for p in within]
