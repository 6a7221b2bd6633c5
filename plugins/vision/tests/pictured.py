"""Explanations of small photos, and what is read from their pictures."""

from __future__ import annotations

from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from salience import Explanation, Saliency
from salience_vision import Vision


def explanation(values: Tensor, **changes: Any) -> Explanation:
    count = len(values)
    nothing = torch.full((count,), torch.nan)
    generator = torch.Generator().manual_seed(0)
    photos = torch.randint(0, 256, (count, 12, 16, 3), generator=generator, dtype=torch.uint8)
    prediction = torch.zeros(count, 5)
    prediction[:, 2] = 7.25
    made: dict[str, Any] = {
        "saliency": {"image": Saliency(values, values * torch.nan)},
        "prediction": prediction,
        "score": nothing,
        "delta": nothing,
        "completeness_gap": nothing,
        "annotations": [{"image": photo, "name": f"p{i}.png"} for i, photo in enumerate(photos)],
        "dataset_info": {"class_names": ["a", "b", "tiger cat", "d", "e"]},
        "provenance": {"n_samples": 1},
        "domain": Vision(),
        "ids": list(range(count)),
        "n_independent": torch.ones(count, dtype=torch.int64),
        "drawn": torch.ones(count, dtype=torch.bool),
        "converged": torch.ones(count, dtype=torch.bool),
        "n_points": torch.zeros(count, dtype=torch.int64),
    }
    made |= changes
    if "score" not in changes and made["prediction"].ndim == 2:
        made["score"] = class_score(made["prediction"], made["provenance"].get("output"))
    return Explanation(**made)


def class_score(prediction: Tensor, output: Any) -> Tensor:
    """The output of the class that is explained: the one that was asked for, or the predicted."""
    index = output.get("index") if isinstance(output, dict) else None
    return prediction.amax(1) if index is None else prediction[:, index]


def positive(height: int = 12, width: int = 16, count: int = 2) -> Tensor:
    return torch.rand(count, height, width, generator=torch.Generator().manual_seed(1))


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def drawn(figure: Figure) -> Any:
    return figure.axes[0].images[-1]
