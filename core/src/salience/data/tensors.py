"""The domain of plain tensors, for use of core as a library without any plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from salience.data.batch import Batch
from salience.data.domain import Domain
from salience.data.layout import ITEM, Field, Layout
from salience.errors import InputError, brief
from salience.intake import array
from salience.naming import names_of
from salience.support.numerics import all_finite


@dataclass(frozen=True)
class Tensors(Domain):
    """Domain whose data are the model's arguments, each with an item axis or shared by all items.

    The data is a tensor or array for a model with one argument, else a mapping argument → tensor.

    Args:
        axes: Name of each axis of the only argument, which is called ``"x"``; or a mapping
            argument → axes, in the order of the model's arguments.
        reduce: The axes that aggregators sum over.
        components: The axes that together are one variable, as in :class:`salience.Layout`.
        inner: Name of each axis of target variables inside the model.
        target: Target variable by default.
        output: Output variable by default.
    """

    axes: tuple[str, ...] | Mapping[str, tuple[str, ...]] = (ITEM, "feature")
    reduce: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()
    target: Any = "input"
    output: Any = "predicted"
    components: tuple[str, ...] = ()
    _layout: Layout = field(init=False, repr=False, compare=False)

    visualizer: ClassVar[str] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        axes = self.axes if isinstance(self.axes, Mapping) else {"x": self.axes}
        for name, own in axes.items():
            names_of([name], "the arguments of axes")
            if not isinstance(own, str):  # the layout tells what to write for a single word
                names_of(own, f"axes of argument {name!r}")
        for setting in ("reduce", "inner", "components"):
            if not isinstance(own := getattr(self, setting), str):
                object.__setattr__(self, setting, names_of(own, setting))
        fields = {name: Field(tuple(own)) for name, own in axes.items()}
        if not any(ITEM in spec.axes for spec in fields.values()):
            raise InputError(f"axes={brief(self.axes)} name no {ITEM!r} axis; name one")
        made = Layout(fields, (), self.reduce, inner=self.inner, components=tuple(self.components))
        object.__setattr__(self, "_layout", made)

    @property
    def layout(self) -> Layout:
        """Layout of the declared axes."""
        return self._layout

    def read(self, data: Any) -> _Rows:
        """Turn the data into tensors, and check their names, shapes and values.

        Raises:
            InputError: An argument does not hold numbers, has a wrong name or number of axes, or
                holds NaN or infinity; arguments differ in their number of items; there is no item.
        """
        given = dict(data) if isinstance(data, Mapping) else {"x": data}
        if set(given) != set(self.layout.fields):
            raise InputError(
                f"data has the arguments {sorted(given)}, expected {sorted(self.layout.fields)}"
            )
        tensors = {
            name: array(given[name], f"argument {name!r}", "a tensor or array of real numbers")
            for name in self.layout.fields
        }
        lengths = set()
        for name, spec in self.layout.fields.items():
            tensor = tensors[name]
            if tensor.shape == (0,):
                raise InputError("the data is empty; pass at least one item")
            if tensor.ndim != len(spec.axes):
                raise InputError(
                    f"argument {name!r} has shape {tuple(tensor.shape)}, expected the "
                    f"{len(spec.axes)} axes {spec.axes}; reshape it, or name its own axes, as in "
                    f"salience.Tensors(axes=('item', 'channel', 'height', 'width'))"
                )
            if not self.layout.has_rows(spec.axes):
                continue
            row_axis = self.layout.row_axis(spec.axes)
            lengths.add(tensor.shape[row_axis[0]])
            if not all_finite(tensor):
                item = int((~tensor.isfinite()).nonzero()[0, row_axis[0]])
                raise InputError(
                    f"item {item} holds NaN or infinity in argument {name!r}; "
                    f"expected finite numbers: remove or repair it"
                )
        if lengths == {0}:
            raise InputError("the data is empty; pass at least one item")
        if len(lengths) != 1:
            raise InputError(f"the arguments have {sorted(lengths)} items; give each the same")
        return _Rows(self.layout, tensors, 0, lengths.pop())

    def collate(self, samples: Sequence[Any]) -> Batch:
        """Collate a slice of the items into a batch, without copying."""
        assert isinstance(samples, _Rows)
        return Batch(samples.tensors(), self.layout, len(samples))


@dataclass(frozen=True)
class _Rows(Sequence[Any]):
    """The items from ``start`` up to ``stop`` (exclusive) of tensors, sliced without copying."""

    layout: Layout
    full: Mapping[str, Tensor]
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, slice):
            if not -len(self) <= index < len(self):
                raise IndexError(index)  # ends a loop over all of them
            index = index % len(self)
            index = slice(index, index + 1)
        start, stop, _ = index.indices(len(self))
        return _Rows(self.layout, self.full, self.start + start, self.start + stop)

    def tensors(self) -> dict[str, Tensor]:
        cut = {}
        for name, tensor in self.full.items():
            axes = self.layout.fields[name].axes
            if self.layout.has_rows(axes):
                tensor = tensor.narrow(self.layout.row_axis(axes)[0], self.start, len(self))
            cut[name] = tensor
        return cut
