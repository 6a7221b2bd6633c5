"""The domain: the class in which a plugin describes its kind of data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from salience.data.batch import Batch
from salience.data.layout import Layout
from salience.plugins.faults import Asked
from salience.support.settings import CheckedSettings


class Domain(CheckedSettings, ABC):
    """The adapter of a kind of data: input layout, default target variable and visualizer.

    A domain is a frozen dataclass whose fields are its settings. A domain knows its data and no
    saliency method; calculators know saliency methods and no kind of data.
    """

    #: Name of the visualizer that renders this domain.
    visualizer: ClassVar[str]
    #: Whether magnitudes under draws come with :attr:`salience.Explanation.top_share`.
    counts_top_places: ClassVar[bool] = False
    #: Endings of the files that it reads, as ``".csv"``, by which those of a folder are found.
    suffixes: ClassVar[Collection[str]] = ()
    #: Target variable by default: ``"input"``, the name of an argument or a module path.
    target: str = "input"
    #: Output variable by default: ``"predicted"``, ``"value"``, …
    output: str = "predicted"

    def default_target(self, model: Any) -> Any:
        """The target variable(s) of a model where the user names none; :attr:`target` by default.

        Raises:
            InputError: The user has to name them.
        """
        return self.target

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """Layout of the arguments that :meth:`collate` makes."""

    @property
    def needs_data(self) -> bool:
        """Whether the layout is known only after :meth:`fitted`, since it depends on the data."""
        return False

    def fitted(self, samples: Sequence[Any]) -> Domain:
        """This domain with the layout of the samples, where the layout depends on the data.

        The default returns the domain itself. Samples that it reads afterwards, such as later
        chunks of a stream, must fit the same layout.

        Args:
            samples: What :meth:`read` returned.

        Raises:
            InputError: The samples have no common layout.
        """
        return self

    @abstractmethod
    def read(self, data: Any) -> Sequence[Any]:
        """Turn the user's data into a sequence of samples, one per item, and check them.

        Every fault of an item is found here, before anything is computed. Slices of the returned
        sequence are passed to :meth:`collate`. The user's objects are not changed.

        Raises:
            InputError: The data is of the wrong kind or shape, unreadable or not finite; the
                message names the item.
        """

    def read_like(self, data: Any, dataset_info: Mapping[str, Any]) -> Sequence[Any]:
        """Read further data: the background of a baseline, or the next chunk of a stream.

        A domain whose data has named columns brings them into the order of the first data. The
        default calls :meth:`read`.

        Args:
            data: The further data, as for :meth:`read`.
            dataset_info: The mapping that :meth:`dataset_info` returned for the first data.

        Raises:
            InputError: As :meth:`read`; or the data lacks a column of the first.
        """
        return self.read(data)

    def ids(self, samples: Sequence[Any]) -> Sequence[Any] | None:
        """What the data itself calls its items; ``None``, by default, where it has no names.

        Names say which item is meant (``explanation.loc[name]``) and may repeat. They never key
        draws, which only ``ids=`` does.

        Args:
            samples: What :meth:`read` returned.

        Returns:
            For each sample a whole number, a string or another label, which becomes text; ``None``
            for a sample without a name, which is then called by its position.
        """
        return None

    @abstractmethod
    def collate(self, samples: Sequence[Any]) -> Batch:
        """Collate a slice of the samples that :meth:`read` returned into one batch on the CPU."""

    def size(self, sample: Any) -> int:
        """Number of elements of one item, which the budget counts; 1 where data is not ragged."""
        return 1

    def arguments(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Make the positional and keyword arguments of the model's forward from named values.

        The default passes all values by position, in the order of the layout's fields.

        Args:
            values: Argument name → value, as in :attr:`Batch.arguments`.
        """
        return tuple(values.values()), {}

    def by_item(self, output: Any, values: Mapping[str, Any]) -> Any:
        """Turn what the model returned into what has one row an item.

        The default returns the output unchanged.

        Args:
            output: The model's output, or that of a tapped module.
            values: Argument name → value, as in :meth:`arguments`.
        """
        return output

    def dataset_info(self, samples: Sequence[Any]) -> dict[str, Any]:
        """Facts about the whole data set that a visualizer needs (feature names), in JSON types."""
        return {}

    def join(
        self, saliency: Mapping[str, Tensor], dataset_info: Mapping[str, Any]
    ) -> Mapping[str, Tensor]:
        """Combine the saliency of several target variables, where the combination has a meaning.

        The default returns ``saliency`` unchanged.

        Args:
            saliency: Target variable → tensor whose first axis counts items or elements; the axes
                in :attr:`Layout.reduce` are summed out.
            dataset_info: The mapping that :meth:`dataset_info` returned.

        Returns:
            Name → saliency, of the same form.
        """
        return saliency

    def positions(
        self, annotation: Mapping[str, Any], axes: tuple[str, ...]
    ) -> Mapping[str, Sequence[Any]]:
        """What is known of the positions of an item, for tables: the element of each atom.

        The default knows nothing.

        Args:
            annotation: The annotation of the item.
            axes: Names of the axes of the item's saliency.

        Returns:
            Name of a column → an entry for each position, in the order of the flattened saliency.
        """
        return {}

    def payload(self, explanation: Any, item: int) -> Mapping[str, Any] | None:
        """What a report draws of an item: a graph, raster, bars, series or tokens, without values.

        docs/report.md has the form, and :func:`salience.testing.check_payload` checks it. Where it
        is ``None``, as by default, the report shows the picture of the visualizer.

        Args:
            explanation: The :class:`salience.Explanation`.
            item: Position of the item, from 0.
        """
        return None

    def feature_values(
        self,
        variable: str,
        n_positions: int,
        annotations: Sequence[Mapping[str, Any]],
        dataset_info: Mapping[str, Any],
    ) -> Sequence[Any] | None:
        """What the data holds at the positions of a target variable, for tables.

        The default knows nothing.

        Args:
            variable: Name of a target variable whose positions are columns of the data.
            n_positions: Number of positions of each item.
            annotations: Annotations of all the items.
            dataset_info: The mapping that :meth:`dataset_info` returned.

        Returns:
            An entry for each position of each item, item by item; ``None`` where it is not known.
        """
        return None

    def encode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        """Turn an item's annotation into JSON types and tensors, so that it can be saved.

        Annotations in columns (:class:`salience.ColumnAnnotations`) are saved as they are.
        """
        return dict(annotation)

    def decode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        """Restore an annotation from what :meth:`encode` returned."""
        return dict(annotation)


def default_target_of(domain: Domain, model: Any) -> Any:
    """The target variable(s) of a model by :meth:`Domain.default_target`.

    Raises:
        InputError: The user has to name them, or the domain raised an error.
    """
    return Asked("domains", domain, "default_target")(model)


def layout_of(domain: Domain) -> Layout:
    """The layout of a domain.

    Raises:
        InputError: The domain raised an error, or its layout is something else.
    """
    asked = Asked("domains", domain, "layout")
    layout: Layout = asked.call(lambda: domain.layout)
    asked.expect(isinstance(layout, Layout), layout, "a salience.Layout, as a property")
    return layout


def arguments_of(
    domain: Domain, values: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of the model's forward by :meth:`Domain.arguments`.

    Raises:
        InputError: The domain raised an error, or returned something else.
    """
    asked = Asked("domains", domain, "arguments")
    found: tuple[tuple[Any, ...], dict[str, Any]] = asked(values)
    pair = isinstance(found, tuple) and len(found) == 2
    good = pair and isinstance(found[0], tuple | list) and isinstance(found[1], Mapping)
    asked.expect(good, found, "arguments by position and by name, (tuple, dict)")
    return found


def by_item_of(domain: Domain, output: Any, values: Mapping[str, Any]) -> Any:
    """What has one row an item, by :meth:`Domain.by_item`.

    Raises:
        InputError: The domain raised an error.
    """
    return Asked("domains", domain, "by_item")(output, values)


def joined(
    domain: Domain, saliency: Mapping[str, Tensor], dataset_info: Mapping[str, Any]
) -> Mapping[str, Tensor]:
    """The saliency of several target variables, combined as :meth:`Domain.join` does."""
    asked = Asked("domains", domain, "join")
    found: Mapping[str, Tensor] = asked(saliency, dataset_info)
    asked.expect(isinstance(found, Mapping), found, "a mapping of name to saliency")
    lengths = {len(values) for values in saliency.values()}
    for name, values in found.items() if asked.foreign else ():
        asked.expect(isinstance(values, Tensor), values, f"a tensor as {name!r}")
        asked.expect(
            len(values) in lengths, values, f"items or elements along its first axis, {lengths}"
        )
    return found
