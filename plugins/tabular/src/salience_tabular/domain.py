"""The tabular domain: reads tables and collates their rows into the model's arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from salience import Batch, BrokenItems, Domain, Field, InputError, Layout, tell
from salience.errors import brief, nearest
from salience_tabular.order import in_order, labels_of, listed, numbered_names, take_names
from salience_tabular.reading import codes, floats, load, to_array
from salience_tabular.rows import Rows
from salience_tabular.table import Row, Table


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

    Raises:
        InputError: A column is declared twice.
    """

    visualizer: ClassVar[str] = "bar"

    categorical: Sequence[str | int] = ()
    feature_names: Sequence[str] | None = None
    on_error: str = "raise"
    id_column: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        BrokenItems(self.on_error)  # raises InputError for an unknown setting
        # A single string names one column; it is not a sequence of one-letter names.
        declared: Any = self.categorical
        declared = (declared,) if isinstance(declared, str | int) else declared
        plain = tuple(map(_declared, listed(declared, "categorical")))
        if len(set(plain)) != len(plain):
            raise InputError(f"categorical={plain} names a column twice; name each once")
        object.__setattr__(self, "categorical", plain)
        if self.feature_names is not None:
            names = self.feature_names
            names = (names,) if isinstance(names, str) else listed(names, "feature_names")
            names = tuple(map(str, names))
            object.__setattr__(self, "feature_names", names)

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
        table, rows = load(data, BrokenItems(self.on_error), self.id_column)
        return self._read(*take_names(table, self.id_column), rows)

    def read_like(self, data: Any, dataset_info: Mapping[str, Any]) -> Table:
        """Read a further table, whose columns are taken by name in the order of the first.

        Where one of the tables has no names, or names that were counted up, positions count.

        Raises:
            InputError: As :meth:`read`; or the table lacks a column of the first.
        """
        table, rows = load(data, BrokenItems(self.on_error), self.id_column)
        table, row_names = take_names(table, self.id_column, optional=True)
        return self._read(in_order(table, dataset_info), row_names, rows)

    def _read(self, table: Any, row_names: Sequence[Any] | None, rows: Rows) -> Table:
        names = self._names(table)
        at = self._positions(names, getattr(table, "columns", None))
        array = to_array(table, names, at)
        rest = tuple(i for i in range(len(names)) if i not in set(at))
        numeric = floats(array[:, rest], [names[i] for i in rest], rows)
        categorical = codes(array[:, at], [names[i] for i in at], rows)
        rows.settle()
        if not rows.good.all():
            good = torch.from_numpy(rows.good)
            numeric, categorical = numeric[good], categorical[good]
            if row_names is not None:
                row_names = [name for name, kept in zip(row_names, rows.good, strict=True) if kept]
        return Table(
            numeric, categorical, names, rest, at, labels=labels_of(table), names=row_names
        )

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
        return Batch(arguments, self.layout, len(samples))

    def dataset_info(self, samples: Sequence[Any]) -> dict[str, Any]:
        """Names of all columns, and the positions of the numeric and the categorical columns.

        Returns:
            Lists under the keys ``columns``, ``numeric`` and ``categorical``. Where the table calls
            its columns otherwise, ``labels`` has its own names, or ``None`` where it has none.
        """
        assert isinstance(samples, Table)
        info: dict[str, Any] = {
            "columns": list(samples.columns),
            "numeric": list(samples.numeric_at),
            "categorical": list(samples.categorical_at),
        }
        if samples.labels is None:
            numbered = list(samples.columns) == numbered_names(len(samples.columns))
            return info | {"labels": None} if numbered else info
        same = samples.labels == samples.columns
        return info if same else info | {"labels": list(samples.labels)}

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
