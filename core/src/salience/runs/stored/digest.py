"""The digest of results, by which those of two runs are compared."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch

from salience.results.explanation import Explanation
from salience.runs.fingerprints.values import of_values

# Columns of the items that a digest is made of.
_SUMMED = ("prediction", "score", "delta", "n_points", "n_independent")


def digest_of(parts: Iterable[Explanation]) -> str:
    """SHA-256 of the numbers and ids of the items of explanations, of which one is held at a time.

    It does not depend on how the items are cut into explanations.
    """
    sums: dict[str, Any] = defaultdict(hashlib.sha256)
    for part in parts:
        sums["ids"].update("".join(f"{name!r}\n" for name in part.ids).encode())
        columns = {name: getattr(part, name) for name in _SUMMED}
        for name, saliency in part.saliency.items():
            columns |= {f"{name} values": saliency.flat, f"{name} errors": saliency.flat_error}
            if saliency.counts is not None:
                columns[f"{name} counts"] = saliency.counts
        for name, values in columns.items():
            sums[name].update(values.contiguous().reshape(-1).view(torch.uint8).numpy())
    return of_values([[name, made.hexdigest()] for name, made in sorted(sums.items())])
