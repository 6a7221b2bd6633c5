"""The domain of sets of points, of which all in a batch stand one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from salience import Batch, Domain, Explanation, Field, InputError, Layout


@dataclass(frozen=True)
class PointSets(Domain):
    """The domain of sets of points: features by point, with a number of points of each set's own.

    The model is called as ``model(points, owner, n_sets)``: ``points`` has shape (N, F), where N is
    the number of points of all sets of the batch; ``owner`` has shape (N,) and holds the number of
    the set of each point; ``n_sets`` is an int. Saliency is summed over the features, and a set of
    n points has n values.

    Args:
        names: Names of the features, for the axis labels of the plot.
        target: Target variable by default: ``"input"``, or the path of a module whose output has
            shape (N, units).
    """

    # The name under which plugin.py registers the visualizer.
    visualizer: ClassVar[str] = "point_plot"

    names: Sequence[str] = ("x", "y")
    target: str = "input"

    @property
    def layout(self) -> Layout:
        """Layout of the model's three arguments; the axis ``"point"`` counts elements of items."""
        return Layout(
            {
                "points": Field(("point", "feature")),
                # Numbers of items, which are shifted when the batch is repeated or split.
                "owner": Field(("point",), refers_to="item"),
                "n_sets": Field(counts="item"),
            },
            elements=("point",),
            reduce=("feature",),
            # The same of variables inside the model, whose units together are one variable.
            inner=("point", "unit"),
            components=("unit",),
        )

    def read(self, data: Any) -> list[Tensor]:
        """Read a list of arrays or tensors of shape (points, features).

        Returns:
            One floating-point tensor of shape (n, F) for each set.

        Raises:
            InputError: The data is no list, is empty, or a set is of another kind or shape, not
                finite, or has another number of features than there are names.
        """
        if not isinstance(data, list | tuple) or not data:
            raise InputError(
                "sets of points are a list with one array of shape (points, features) for each; "
                "pass one or more"
            )
        return [self._set(one, item) for item, one in enumerate(data)]

    def _set(self, given: Any, item: int) -> Tensor:
        """One set as a tensor of its own, so that later changes to the user's data do no harm."""
        if isinstance(given, np.ndarray) and given.dtype.kind in "fiu":
            given = torch.from_numpy(given.astype(float))
        if not isinstance(given, Tensor) or given.is_complex():
            raise InputError(
                f"set {item} is no array of real numbers; pass one of shape (points, features)"
            )
        points = given.detach().cpu().clone()
        if points.ndim != 2 or not len(points) or points.shape[1] != len(self.names):
            raise InputError(
                f"set {item} has shape {tuple(points.shape)}, expected (points, "
                f"{len(self.names)}) with one point or more; name the features in names="
            )
        if not points.isfinite().all():
            raise InputError(f"set {item} holds NaN or infinity; fill or drop it")
        return points if points.is_floating_point() else points.double()

    def size(self, sample: Tensor) -> int:
        """Number of points of one set, which the budget counts."""
        return len(sample)

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        """Put the points of all sets one after the other, and say whose they are."""
        counts = torch.tensor([len(sample) for sample in samples])
        return Batch(
            {
                "points": torch.cat(list(samples)),
                "owner": torch.repeat_interleave(torch.arange(len(samples)), counts),
                "n_sets": len(samples),
            },
            self.layout,
            len(samples),
            counts={"point": counts},
            annotations=[{"points": sample} for sample in samples],
        )

    def dataset_info(self, samples: Sequence[Tensor]) -> dict[str, Any]:
        """The ``names`` of the features."""
        return {"names": list(self.names)}

    # Optional: without it, a report shows the picture of the visualizer.
    def payload(self, explanation: Explanation, item: int) -> Mapping[str, Any] | None:
        """The points as nodes without edges, for reports; docs/report.md has the form."""
        if not explanation.annotations:
            return None
        points = explanation.annotations[item].get("points")
        shapes = [tuple(found.values[item].shape) for found in explanation.saliency.values()]
        if not isinstance(points, Tensor) or shapes != [points.shape[:1]] or points.shape[1] < 2:
            return None  # pooled groups, for example, are no points
        # y points down in the view of a graph.
        return {"view": "graph", "x": points[:, 0], "y": -points[:, 1]}
