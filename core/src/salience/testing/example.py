"""An example: a domain, data and a model, and what the engine makes of them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from salience.data.batch import Batch
from salience.data.domain import Domain
from salience.engine.units import Unit
from salience.errors import Notice
from salience.explainer import Explainer
from salience.results.explanation import Explanation
from salience.testing.comparing import NotTestedError


@dataclass(frozen=True)
class Example:
    """Data of a domain, and a model of it.

    Args:
        name: What messages call it.
        domain: The domain that reads the data.
        data: The data as a user would pass it; ``None`` where there is none.
        model: The model; ``None`` where there is none.
        output: Output variable; the domain's default where ``None``.
        n_items: Number of items in the data; what its length says where ``None``.
        calculator: The method by which the items are explained.
    """

    name: str
    domain: Domain
    data: Any = None
    model: Any = None
    output: Any = None
    n_items: int | None = None
    calculator: Any = "gradient"

    def copied_data(self) -> Any:
        """A deep copy of the data.

        Raises:
            NotTestedError: There is no data.
        """
        if self.data is None:
            raise NotTestedError("no data was given; pass data=, two or more items")
        return copy.deepcopy(self.data)

    @cached_property
    def samples(self) -> Sequence[Any]:
        """What the domain read."""
        return self.domain.read(self.copied_data())

    @cached_property
    def fitted(self) -> Domain:
        """The domain with the layout of the samples."""
        return self.domain.fitted(self.samples)

    @cached_property
    def batch(self) -> Batch:
        """All the items in one batch."""
        return self.collated(0, len(self.samples))

    def collated(self, start: int, stop: int) -> Batch:
        """The items from ``start`` to ``stop`` − 1 in a batch."""
        return self.fitted.collate(self.samples[start:stop])

    @cached_property
    def unit(self) -> Unit:
        """The items with ids of their own, so that their draws do not depend on positions."""
        return Unit(self.samples, [f"item {i}" for i in range(len(self.samples))])

    def rebatched(self) -> Example:
        """This example with samples that are selected from the batch of all the items."""
        info = self.fitted.dataset_info(self.samples)
        domain = Rebatched(self.fitted, self.batch, info)
        return replace(self, domain=domain, data=range(len(self.samples)))

    @cached_property
    def smallest_budget(self) -> int:
        """The smallest ``max_rows`` that holds each item."""
        return max(1, int(self.batch.sizes().max()))

    @cached_property
    def explanation(self) -> Explanation:
        """An explanation of all the items, read from the data."""
        return self.explained(data=self.copied_data())

    def explained(
        self,
        calculator: Any = None,
        *,
        data: Any = None,
        settings: Mapping[str, Any] | None = None,
        **parts: Any,
    ) -> Explanation:
        """Explain the items.

        Args:
            calculator: As in :meth:`Explainer.explain`; that of the example where ``None``.
            data: What is explained; all the items where ``None``.
            settings: Settings of the explainer beside model, domain and output variable.
            **parts: Further arguments of :meth:`Explainer.explain`.

        Raises:
            NotTestedError: There is no model.
        """
        if self.model is None:
            raise NotTestedError("no model was given; pass model=, a model of the data")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Notice)
            # A budget that is searched for depends on the clock, and rounding on the budget.
            given = {"max_rows": 4 * max(1, self.batch.size()), **(settings or {})}
            explainer = Explainer(self.model, self.fitted, output=self.output, **given)
            data = self.unit if data is None else data
            calculator = self.calculator if calculator is None else calculator
            return explainer.explain(data, calculator, progress=False, **parts)

    def in_precision(self, dtype: torch.dtype) -> Example:
        """This example with a copy of its model in a precision.

        Raises:
            NotTestedError: The model is no module, whose precision can be set.
        """
        if not isinstance(self.model, nn.Module):
            raise NotTestedError("the model is no torch.nn.Module; pass one to test precisions")
        return replace(self, model=copy.deepcopy(self.model).to(dtype))


def values_of(explanation: Explanation) -> dict[str, list[Tensor]]:
    """Target variable → saliency of each item."""
    return {name: list(own.values) for name, own in explanation.saliency.items()}


class Rebatched(Domain):
    """A domain whose samples are items of a batch, which it selects from that batch.

    Items may thus come in any order, and keep the padding that the batch gave them.

    Args:
        domain: The domain of the batch.
        batch: The batch.
        info: What the domain says of the data set.
    """

    def __init__(self, domain: Domain, batch: Batch, info: dict[str, Any]) -> None:
        self.inner, self.source, self.info = domain, batch, info
        self.target, self.output = domain.target, domain.output

    visualizer = ""

    @property
    def layout(self) -> Any:
        """Layout of the batch."""
        return self.source.layout

    def default_target(self, model: Any) -> Any:
        """That of the domain."""
        return self.inner.default_target(model)

    def read(self, data: Any) -> Sequence[Any]:
        """The indexes of items."""
        return list(data)

    def collate(self, samples: Sequence[Any]) -> Batch:
        """Select the items from the batch."""
        return self.source.select(torch.tensor(samples)).batch()

    def size(self, sample: Any) -> int:
        """Number of elements of the item."""
        return int(self.source.sizes()[sample])

    def arguments(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Those of the domain."""
        return self.inner.arguments(values)

    def by_item(self, output: Any, values: Mapping[str, Any]) -> Any:
        """What the domain makes of the output."""
        return self.inner.by_item(output, values)

    def join(self, saliency: Mapping[str, Tensor], dataset_info: Mapping[str, Any]) -> Any:
        """What the domain makes of several target variables."""
        return self.inner.join(saliency, dataset_info)

    def dataset_info(self, samples: Sequence[Any]) -> dict[str, Any]:
        """What the domain says of the data set."""
        return self.info
