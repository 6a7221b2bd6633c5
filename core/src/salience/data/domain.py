"""The domain: what a plugin says about its kind of data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from salience.data.batch import Batch
from salience.data.layout import Layout


class Domain(ABC):
    """The adapter of a plugin: input layout, monitored target variable, renderer.

    A domain is a frozen dataclass whose fields are its settings. It knows its data and no method;
    calculators know methods and no data.
    """

    #: Name of the visualizer that renders this domain.
    visualizer: ClassVar[str]
    #: The target variable where the user names none: ``"input"``, an argument or a module path.
    target: str = "input"
    #: The output variable where the user names none: ``"predicted"``, ``"value"``, …
    output: str = "predicted"

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """How the arguments that :meth:`collate` makes are indexed."""

    @abstractmethod
    def read(self, data: Any) -> Sequence[Any]:
        """Turn what the user hands in into samples, and refuse what cannot be served.

        Everything that can be wrong with an item is found here, before any computing. Slices of
        the returned sequence go to :meth:`collate`. The user's objects are not changed.

        Raises:
            InputError: The data is of the wrong kind or shape, unreadable or not finite; the
                message names the item.
        """

    @abstractmethod
    def collate(self, samples: Sequence[Any]) -> Batch:
        """A slice of the samples of :meth:`read` as one batch on the CPU."""

    def size(self, sample: Any) -> int:
        """Elements of one item, for the budget of ragged data; 1 where all items are alike."""
        return 1

    def arguments(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments of the model's forward, from the named values.

        The default passes them by position in the order of the layout.
        """
        return tuple(values.values()), {}

    def dataset_info(self, samples: Sequence[Any]) -> dict[str, Any]:
        """What a visualizer needs to know of the whole data set (feature names), in JSON types."""
        return {}

    def join(
        self, saliency: Mapping[str, Tensor], dataset_info: Mapping[str, Any]
    ) -> Mapping[str, Tensor]:
        """Put the saliency of several target variables together, where that has a meaning.

        Args:
            saliency: Target variable → tensor whose first axis counts items or elements; the
                reduced axes are gone. The default returns it unchanged.
            dataset_info: What :meth:`dataset_info` returned.
        """
        return saliency

    def encode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        """An item's annotation in JSON types and tensors, to be saved."""
        return dict(annotation)

    def decode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        """The inverse of :meth:`encode`."""
        return dict(annotation)
