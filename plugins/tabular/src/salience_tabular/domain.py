"""The tabular domain: reads tables and collates their rows into the model's arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from salience import (
    Batch,
    BrokenItems,
    ColumnAnnotations,
    Domain,
    Explanation,
    Field,
    InputError,
    Layout,
    names_of,
    tell,
)
from salience.errors import brief, nearest
from salience_tabular.coding import Categories, coded, labels
from salience_tabular.coding import declared as declared_categories
from salience_tabular.held import held_values
from salience_tabular.order import (
    check_codes,
    in_order,
    labels_of,
    listed,
    numbered_names,
    take_names,
)
from salience_tabular.payload import payload_of
from salience_tabular.reading import codes, floats, load, to_array
from salience_tabular.rows import Rows
from salience_tabular.table import Row, Table
from salience_tabular.units import in_original_units


@dataclass(frozen=True)
class Tabular(Domain):
    """The domain of tables, whose columns are numeric or, where declared, categorical.

    Without categorical columns the model is called as ``model(x)``, with ``x`` of shape (B, F).
    With categorical columns it is called as ``model(numeric, categorical)``: floats of shape
    (B, Fn) in the order of the table, and int64 codes of shape (B, Fc) in the order in which they
    are declared here. Codes have no gradient, so the output of the model's embedding receives the
    saliency in their place:

    - one module for all the categorical columns, returning (B, Fc, C):
      ``target=["numeric", "embed"]``;
    - one module for each, returning (B, C), listed in the declared order:
      ``target=["numeric", *(Target(f"embeds.{i}", axes=("item", "channel")) for i in range(Fc))]``.

    Where the model has exactly one ``torch.nn.Embedding``, the first is the default.
    Saliency is summed over C. Where the target variables cover all F columns, their saliency is
    joined into one variable ``"features"`` of shape (B, F) in the order of the table.

    Args:
        categorical: The columns that hold categories, by name or by position from 0, in the order
            in which the model takes them. A column of pandas' category dtype is read as its
            codes; any other must hold whole numbers from 0.
        feature_names: A name for each column; it names the columns of an array, and replaces the
            column names of a data frame.
        on_error: ``"raise"`` refuses data with rows that cannot be read, and names them all;
            ``"skip"`` goes on without them and tells which.
        id_column: The column of a data frame or CSV file that says what each row is called, and is
            no feature; positions of columns leave it out.
        categories: Column → its categories in the order of the codes with which the model was
            trained, as in ``{"colour": ["red", "green", None]}``: text or numbers are then read as
            codes, and missing values as the place of ``None``. The model takes these columns after
            those in ``categorical``, in the order of the mapping.
        scaler: The fitted transformer of scikit-learn that scaled the columns of the data (a
            scaler, a ``Pipeline`` of such, or a ``ColumnTransformer``), or ``None``. Pictures and
            tables then show values in their original units; the model is given the data as it is.
        class_names: A name for each class that the model scores, for titles.

    Raises:
        InputError: A column is declared twice.
    """

    visualizer: ClassVar[str] = "points"
    suffixes: ClassVar[Sequence[str]] = (".csv",)

    categorical: Sequence[str | int] = ()
    feature_names: Sequence[str] | None = None
    on_error: str = "raise"
    id_column: str | None = None
    categories: Mapping[str | int, Sequence[Any]] = field(default_factory=dict, hash=False)
    scaler: Any = field(default=None, hash=False)
    class_names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        BrokenItems(self.on_error)  # raises InputError for an unknown setting
        # A single string names one column; it is not a sequence of one-letter names.
        declared: Any = self.categorical
        declared = (declared,) if isinstance(declared, str | int) else declared
        plain = tuple(map(_declared, listed(declared, "categorical")))
        object.__setattr__(self, "categories", declared_categories(self.categories))
        plain += tuple(column for column in self.categories if column not in plain)
        if len(set(plain)) != len(plain):
            raise InputError(f"categorical={plain} names a column twice; name each once")
        object.__setattr__(self, "categorical", plain)
        if self.feature_names is not None:
            names = self.feature_names
            names = (names,) if isinstance(names, str) else listed(names, "feature_names")
            names = tuple(map(str, names))
            object.__setattr__(self, "feature_names", names)
        if self.class_names is not None:
            classes = names_of(self.class_names, "class_names", as_text=True)
            object.__setattr__(self, "class_names", classes)

    def default_target(self, model: Any) -> Any:
        """All the columns: ``"input"``, and the module that embeds the categorical columns.

        Raises:
            InputError: There are categorical columns, and not exactly one module embeds codes.
        """
        if not self.categorical:
            return self.target
        embedding = nn.Embedding | nn.EmbeddingBag
        modules = model.named_modules() if isinstance(model, nn.Module) else ()
        paths = [path for path, module in modules if path and isinstance(module, embedding)]
        if len(paths) == 1:
            return ["numeric", paths[0]]
        found = f"these may be among {paths}" if paths else "no torch.nn.Embedding was found"
        raise InputError(
            f"the categorical columns {list(self.categorical)} have no gradient but for the "
            f"modules that embed them, and {found}; pass target=['numeric', ...] with these "
            f"modules in the order of the columns, or 'numeric' for the numeric columns alone"
        )

    @property
    def layout(self) -> Layout:
        """Layout of ``numeric`` and, where categorical columns are declared, ``categorical``.

        Both have the axes (item, feature).
        """
        fields = {"numeric": Field(("item", "feature"))}
        if self.categorical:
            fields["categorical"] = Field(("item", "feature"))
        return Layout(fields, components=("channel",), inner=("item", "feature", "channel"))

    def read(self, data: Any) -> Table:
        """Read an array or tensor of shape (B, F), a data frame, or the path of a CSV file.

        Floats keep their precision; integers and booleans become float64. The data is copied.

        Raises:
            InputError: The data is of another kind or empty; ``feature_names`` or ``categorical``
                do not fit its columns; or a cell holds NaN, infinity, a value that is not a number
                or, in a categorical column, not a code. The message names the column, and the row
                where the value is a number.
        """
        table, rows = self._load(data)
        return self._read(*take_names(table, self.id_column), rows)

    def read_like(self, data: Any, dataset_info: Mapping[str, Any]) -> Table:
        """Read a further table, whose columns are taken by name in the order of the first.

        Where one of the tables has no names, or names that were counted up, positions count.

        Raises:
            InputError: As :meth:`read`; or the table lacks a column of the first, or has another
                code for a category.
        """
        table, rows = self._load(data)
        table, row_names = take_names(table, self.id_column, optional=True)
        found = self._read(in_order(table, dataset_info), row_names, rows)
        check_codes(found, dataset_info)
        return found

    def _load(self, data: Any) -> tuple[Any, Rows]:
        as_written = [column for column in self.categories if isinstance(column, str)]
        if self.categories and not as_written:
            as_written = [""]  # columns by position, of arrays that may hold text
        return load(data, BrokenItems(self.on_error), self.id_column, as_written)

    def _read(self, table: Any, row_names: Sequence[Any] | None, rows: Rows) -> Table:
        names = self._names(table)
        at = self._positions(names, getattr(table, "columns", None))
        known = {
            i: tuple(self.categories[c])
            for i, c in zip(at, self.categorical, strict=True)
            if c in self.categories
        }
        categories = tuple(_labels(table, i, known.get(i)) for i in at)
        array = to_array(
            coded(table, names, known, rows if self.on_error == "skip" else None), names, at
        )
        rest = tuple(i for i in range(len(names)) if i not in set(at))
        numeric = floats(array[:, rest], [names[i] for i in rest], rows)
        categorical = codes(array[:, at], [names[i] for i in at], rows)
        rows.settle(row_names)
        if not rows.good.all():
            good = torch.from_numpy(rows.good)
            numeric, categorical = numeric[good], categorical[good]
            if row_names is not None:
                row_names = [name for name, kept in zip(row_names, rows.good, strict=True) if kept]
        return Table(
            numeric,
            categorical,
            names,
            rest,
            categorical_at=at,
            labels=labels_of(table),
            names=row_names,
            values=self._values(numeric, categorical, names, (rest, at)),
            categories=categories,
        )

    def _values(
        self,
        numeric: Tensor,
        categorical: Tensor,
        names: Sequence[str],
        at: tuple[Sequence[int], Sequence[int]],
    ) -> Tensor:
        """Values of all columns for display, in the order of the table, shape (B, F)."""
        if self.scaler is None and not categorical.shape[1]:
            return numeric
        values = torch.cat([numeric.double(), categorical.double()], 1)
        values = values[:, torch.tensor([*at[0], *at[1]]).argsort()]
        if self.scaler is None:
            return values
        return torch.from_numpy(in_original_units(self.scaler, values.numpy(), names, at[0]))

    def ids(self, samples: Sequence[Any]) -> Sequence[Any] | None:
        """Entries of the ``id_column``, or the index of a data frame that is not just counted."""
        return samples.names if isinstance(samples, Table) else None

    def collate(self, samples: Sequence[Any]) -> Batch:
        """Collate a slice of a :class:`Table`, or a sequence of its rows, into one batch."""
        if isinstance(samples, Table):
            # Cloned, so that a model that changes its input in place does not change the table.
            numeric, categorical = samples.numeric.clone(), samples.categorical.clone()
        else:
            rows: Sequence[Row] = samples
            numeric = torch.stack([row.numeric for row in rows])
            categorical = torch.stack([row.categorical for row in rows])
        arguments = {"numeric": numeric}
        if self.categorical:
            arguments["categorical"] = categorical
        return Batch(arguments, self.layout, len(samples), annotations=_annotations(samples))

    def dataset_info(self, samples: Sequence[Any]) -> dict[str, Any]:
        """Names of all columns, and the positions of the numeric and the categorical columns.

        Returns:
            Lists under the keys ``columns``, ``numeric`` and ``categorical``. Where the table calls
            its columns otherwise, ``labels`` has its own names, or ``None`` where it has none.
            Where categories have names, ``categories`` has a list of them, or ``None``, for each
            categorical column; ``class_names`` are those of the domain.
        """
        assert isinstance(samples, Table)
        info: dict[str, Any] = {
            "columns": list(samples.columns),
            "numeric": list(samples.numeric_at),
            "categorical": list(samples.categorical_at),
        }
        if any(samples.categories):
            info["categories"] = [None if c is None else list(c) for c in samples.categories]
        if self.class_names is not None:
            info["class_names"] = list(self.class_names)
        if samples.labels is None:
            numbered = list(samples.columns) == numbered_names(len(samples.columns))
            return info | {"labels": None} if numbered else info
        same = samples.labels == samples.columns
        return info if same else info | {"labels": list(samples.labels)}

    def feature_values(
        self,
        variable: str,
        n_positions: int,
        annotations: Sequence[Mapping[str, Any]],
        dataset_info: Mapping[str, Any],
    ) -> Sequence[Any] | None:
        """Values of the features in each row, with names of categories, in original units."""
        held = held_values(variable, n_positions, annotations, dataset_info)
        return None if held is None else held.entries()

    def join(
        self, saliency: Mapping[str, Tensor], dataset_info: Mapping[str, Any]
    ) -> Mapping[str, Tensor]:
        """Join the saliency of numeric and categorical columns, in the order of the table.

        Args:
            saliency: Target variable → tensor of shape (B, …). The numeric columns are the variable
                ``"numeric"`` or ``"input"``, shape (B, Fn). The categorical columns are one
                variable of shape (B, Fc), or Fc variables of shape (B,), or a mixture of both, in
                the declared order.
            dataset_info: The mapping that :meth:`dataset_info` returned.

        Returns:
            ``{"features": tensor}`` with a tensor of shape (B, F); ``saliency`` unchanged where
            there are no categorical columns or the variables do not cover all columns.
        """
        if not dataset_info["categorical"]:
            return saliency
        if set(saliency) <= {"numeric", "input"}:
            missing = ", ".join(
                repr(dataset_info["columns"][i]) for i in dataset_info["categorical"]
            )
            tell(
                f"the categorical columns {missing} are not explained, since their codes have no "
                f"gradient; pass target=['numeric', path of the module that embeds them]"
            )
        rest = dict(saliency)
        numeric = [rest.pop(name) for name in ("numeric", "input") if name in rest]
        blocks = [t[:, None] if t.ndim == 1 else t for t in [*numeric, *rest.values()]]
        order = [*dataset_info["numeric"], *dataset_info["categorical"]]
        widths = [block.shape[1] for block in blocks]
        n_numeric = sum(widths[: len(numeric)])
        if (
            any(block.ndim != 2 for block in blocks)
            or n_numeric != len(dataset_info["numeric"])
            or sum(widths) != len(order)
        ):
            return saliency
        back = torch.tensor(order).argsort()
        return {"features": torch.cat(blocks, 1).index_select(1, back.to(blocks[0].device))}

    def payload(self, explanation: Explanation, item: int) -> Mapping[str, Any] | None:
        """Bars of the features of a row, for reports."""
        return payload_of(explanation, item)

    def _names(self, table: Any) -> tuple[str, ...]:
        width = table.shape[1]
        if self.feature_names is None:
            own = getattr(table, "columns", None)
            return tuple(str(n) for n in (own if own is not None else numbered_names(width)))
        if len(self.feature_names) != width:
            raise InputError(
                f"feature_names holds {len(self.feature_names)} names, but the table has "
                f"{width} columns; pass one name a column"
            )
        return tuple(self.feature_names)

    def _positions(self, names: tuple[str, ...], labels: Any) -> tuple[int, ...]:
        numbers = [] if labels is None else [n for n in labels if isinstance(n, int)]
        wrong = [c for c in self.categorical if isinstance(c, int) and c in numbers]
        if wrong and list(labels) != list(range(len(labels))):
            raise InputError(
                f"categorical={self.categorical} may mean the column at position {wrong[0]} or the "
                f"one that is labelled {wrong[0]}; give the columns names, frame.columns = [...]"
            )
        at = [_position(column, names) for column in self.categorical]
        if len(set(at)) != len(at):
            raise InputError(
                f"categorical={self.categorical} names a column twice, by name and by position; "
                f"name each once"
            )
        return tuple(at)


# Names of more categories are not kept.
_MANY = 1000


def _labels(table: Any, at: int, known: Categories | None) -> tuple[str, ...] | None:
    """Names of the categories of a column, by code."""
    if known is None:
        dtype = table.dtypes.iloc[at] if hasattr(table, "dtypes") else None
        known = tuple(getattr(dtype, "categories", ()))
    return tuple(labels(known)) if 0 < len(known) <= _MANY else None


def _annotations(samples: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
    """The values of the rows, for pictures and tables."""
    if isinstance(samples, Table):
        return () if samples.values is None else ColumnAnnotations({"values": samples.values})
    values = [row.values for row in samples]
    if not values or any(own is None for own in values):
        return ()
    return ColumnAnnotations({"values": torch.stack(values)})


def _declared(column: Any) -> str | int:
    if isinstance(column, str):
        return column
    if not isinstance(column, Integral) or isinstance(column, bool):
        raise InputError(
            f"categorical holds {brief(column)}; pass the name of a column, or its position from 0"
        )
    return int(column)


def _position(column: str | int, names: tuple[str, ...]) -> int:
    if isinstance(column, int):
        if not 0 <= column < len(names):
            raise InputError(
                f"categorical column {column} is out of range: the table has {len(names)} "
                f"columns; pass 0 to {len(names) - 1}"
            )
        return column
    if names.count(column) != 1:
        why = nearest(column, names) if column not in names else "pass the position of one of them"
        raise InputError(
            f"the table has {names.count(column)} columns called {column!r}, "
            f"which is declared categorical; {why}"
        )
    return names.index(column)
