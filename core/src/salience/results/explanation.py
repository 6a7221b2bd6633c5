"""The result: saliency of every item, its standard error, and what it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from salience.data.domain import Domain
from salience.errors import InputError, nearest
from salience.results.provenance import recorded_ids
from salience.results.saliency import Saliency

if TYPE_CHECKING:
    import pandas as pd

    from salience.visualize.visualizer import Visualizer


@dataclass(frozen=True)
class Explanation:
    """Saliency of a data set.

    Args:
        saliency: Target variable → its saliency. One variable is the rule: then :attr:`values`,
            :attr:`std_error` and :meth:`mean` speak of it.
        prediction: The model's output for the clean items, shape (B, …); f(x) where the model
            returns something else than one tensor of that shape.
        score: The output variable f(x) of the clean items, shape (B,).
        delta: f(x) − f(baseline), mean over draws, shape (B,); NaN for calculators without a
            baseline.
        completeness_gap: |Σ saliency − (f(x) − f(baseline))|, mean over draws, shape (B,); NaN for
            calculators without a baseline.
        annotations: What the visualizer needs of each item, or an empty sequence.
        facts: What the visualizer needs of the whole data set.
        provenance: Parts, parameters, seed and versions that made this.
        domain: The domain that read the data; a plain mapping of its settings where its plugin is
            not installed.
        ids: The id of each item, or its position.
        units: Draws of each item that are independent of each other, int64 of shape (B,): single
            ones, antithetic pairs, or those of the parameters where noise is nested in them.
    """

    saliency: Mapping[str, Saliency]
    prediction: Tensor
    score: Tensor
    delta: Tensor
    completeness_gap: Tensor
    annotations: Sequence[Mapping[str, Any]]
    dataset_info: Mapping[str, Any]
    provenance: Mapping[str, Any]
    domain: Domain | Mapping[str, Any]
    ids: Sequence[int | str]
    n_independent: Tensor

    def __len__(self) -> int:
        return int(self.score.shape[0])

    def __getitem__(self, variable: str) -> Saliency:
        if variable not in self.saliency:
            raise InputError(
                f"no target variable {variable!r} was explained; {nearest(variable, self.saliency)}"
            )
        return self.saliency[variable]

    @property
    def only(self) -> Saliency:
        """The saliency of the one target variable.

        Raises:
            InputError: Several target variables were explained.
        """
        if len(self.saliency) != 1:
            names = ", ".join(repr(name) for name in self.saliency)
            raise InputError(
                f"this explanation has several target variables ({names}); "
                f"pick one by name, as in explanation[{next(iter(self.saliency))!r}].values"
            )
        return next(iter(self.saliency.values()))

    @property
    def values(self) -> Any:
        """Saliency: a tensor of shape (B, …), or a list of tensors where items are ragged."""
        return self.only.values

    @property
    def std_error(self) -> Any:
        """Standard error of :attr:`values` over the draws; NaN for a single draw."""
        return self.only.std_error

    def item(self, position: int) -> Explanation:
        """The explanation of one item alone.

        Raises:
            InputError: No such item.
        """
        chosen = position_of(self, position)
        one = slice(chosen, chosen + 1)
        return replace(
            self,
            saliency={name: saliency.item(chosen) for name, saliency in self.saliency.items()},
            prediction=self.prediction[one].clone(),
            score=self.score[one].clone(),
            delta=self.delta[one].clone(),
            completeness_gap=self.completeness_gap[one].clone(),
            annotations=self.annotations[one],
            provenance={k: v for k, v in self.provenance.items() if k != "ids"}
            | recorded_ids(self.ids[one]),
            ids=self.ids[one],
            n_independent=self.n_independent[one].clone(),
        )

    @property
    def signed(self) -> bool:
        """Whether the aggregator keeps the sign of the saliency."""
        return bool(self.provenance.get("signed", False))

    @property
    def samples_parameters(self) -> bool:
        """Whether a sampler drew the parameters of the model."""
        return bool(self.provenance.get("samples_parameters", False))

    @property
    def n_samples(self) -> int:
        """Draws per item, M; the most that one had, where items stop by themselves."""
        return int(self.draws.max())

    @property
    def draws(self) -> Tensor:
        """Draws of each item, int64 of shape (B,)."""
        return self.n_independent * int(self.provenance.get("group", 1))

    @property
    def variance_parts(self) -> Mapping[str, Any]:
        """Where the variance over nested draws comes from, each of the form of :attr:`values`.

        By the law of total variance, Var = Var_θ(E_ε[s | θ]) + E_θ(Var_ε[s | θ]): ``"parameters"``
        is the first term, estimated without bias and therefore below 0 at times, ``"noise"`` the
        second, ``"total"`` their sum.

        Raises:
            InputError: Draws were not nested, or there are several target variables.
        """
        if not self.only.flat_parts:
            raise InputError(
                "only nested draws tell where variance comes from; pass a noise sampler, a "
                "parameter sampler and n_samples=(8, 16)"
            )
        return {name: self.only.split(part) for name, part in self.only.flat_parts.items()}

    def confidence_interval(
        self, level: float = 0.95, variable: str | None = None
    ) -> tuple[Any, Any]:
        """Lower and upper end for the mean over draws, each of the form of :attr:`values`.

        mean ± t · standard error, with Student's t of as many degrees of freedom as there are
        independent draws, less one. It says where infinitely many draws would end up.

        Args:
            level: Share of such intervals that hold the true mean.
            variable: Which target variable, where several were explained.

        Raises:
            InputError: The level is not between 0 and 1, or there is one draw only.
        """
        from salience.results.significance import confidence_interval

        saliency = self._chosen(variable)
        low, high = confidence_interval(saliency, self.n_independent, level)
        return saliency.split(low), saliency.split(high)

    def p_values(self, variable: str | None = None) -> Any:
        """Two-sided p-value of "the saliency is 0" for each value, of the form of :attr:`values`.

        What is asked depends on what was drawn. Under a parameter sampler: would a further draw of
        the parameters have the other sign? Draws from the posterior spread as the saliency is
        uncertain, so the spread of draws is the measure and more of them do not make anything more
        significant: with M draws of standard deviation s, |mean| / (s √(1 + 1/M)) has Student's t
        distribution of M − 1 degrees of freedom where the saliency is 0, if the posterior is normal
        and as wide as the estimate is uncertain. Under noise alone the saliency is the mean over
        noise, |mean| / standard error is compared with the same distribution, and more draws do
        resolve more. One draw is what :attr:`n_independent` counts. Where noise is drawn as well as
        parameters, what it adds to the spread counts too, and makes p-values larger than those of
        the mean over noise; nested draws average it out, the more of them the better.

        Args:
            variable: Which target variable, where several were explained.

        Raises:
            InputError: There is one draw only, or the aggregator keeps no sign.
        """
        from salience.results.significance import p_values

        saliency = self._signed(variable)
        return saliency.split(p_values(saliency, self.n_independent, self.samples_parameters))

    def significant(self, level: float = 0.05, variable: str | None = None) -> Any:
        """Which values differ from 0, bool of the form of :attr:`values`.

        Of the positions that it marks in an item, a share of ``level`` at most is marked wrongly on
        average (Benjamini and Hochberg, "Controlling the false discovery rate", 1995), where
        positions are independent or depend on each other positively. Where some depend negatively,
        as the coefficients of correlated features do, it is no proven bound.

        Args:
            level: The false discovery rate.
            variable: Which target variable, where several were explained.

        Raises:
            InputError: As :meth:`p_values`, or the level is not between 0 and 1.
        """
        from salience.results.significance import significant

        saliency = self._signed(variable)
        return saliency.split(
            significant(saliency, self.n_independent, self.samples_parameters, level)
        )

    def certainty(self, variable: str | None = None) -> Any:
        """How sure each value is, from 0 to 1, of the form of :attr:`values`; for pictures.

        1 − p (:meth:`p_values`) where the aggregator keeps signs, else 1 − error / saliency, or 0
        where the standard error is the larger. NaN for a single draw.

        Args:
            variable: Which target variable, where several were explained.
        """
        from salience.results.significance import certainty_of_magnitude, certainty_of_sign

        saliency = self._chosen(variable)
        if not self.signed:
            return saliency.split(certainty_of_magnitude(saliency))
        return saliency.split(
            certainty_of_sign(saliency, self.n_independent, self.samples_parameters)
        )

    def _chosen(self, variable: str | None) -> Saliency:
        return self.only if variable is None else self[variable]

    def _signed(self, variable: str | None) -> Saliency:
        """The chosen saliency, of which one may ask whether it is 0."""
        if not self.signed:
            name = self.provenance["aggregator"]["name"]
            raise InputError(
                f"the aggregator {name!r} makes no mean of signed saliency, which alone is 0 where "
                f"nothing matters; aggregate by 'raw' to test it"
            )
        return self._chosen(variable)

    def mean(self) -> Tensor:
        """Mean saliency over the items, the importance of each position, shape (…).

        Raises:
            InputError: Items are ragged, so that they share no positions.
        """
        return self._dense("mean").flat.mean(0)

    def mean_std_error(self) -> Tensor:
        """Standard error of :meth:`mean` over the draws, shape (…).

        How far the mean would move with other draws for the same items, not with other items. Where
        the items share draws of weights, their errors may all lean to one side, and this is the
        most that it can be, the mean of the errors.
        """
        errors = self._dense("mean").flat_error
        if self.provenance.get("shared_draws", False):
            return errors.mean(0)
        return errors.square().sum(0).sqrt() / len(errors)

    def _dense(self, what: str) -> Saliency:
        if self.only.counts is not None:
            raise InputError(
                f"the {what} over items needs items of one shape, but these are ragged; "
                f"use .values, one tensor an item"
            )
        return self.only

    def visualize(
        self,
        item: int | None = None,
        *,
        path: str | Path | None = None,
        visualizer: str | Visualizer | None = None,
        **options: Any,
    ) -> Any:
        """Render one item, or the mean over the data set where ``item`` is ``None``.

        Args:
            item: Position of the item.
            path: Where to write the picture as well; the suffix names the format.
            visualizer: Name or object; the domain's own where ``None``.
            **options: Parameters of the named visualizer.

        Returns:
            The figure.

        Raises:
            InputError: No such item, visualizer or option, or a format that cannot be written.
        """
        from salience.visualize.drawing import visualizer_of
        from salience.visualize.visualizer import save_figure

        renderer = visualizer_of(self, visualizer, options)
        position = None if item is None else position_of(self, item)
        figure = renderer.mean(self) if position is None else renderer.item(self, position)
        if path is not None:
            save_figure(figure, path)
        return figure

    def to_dataframe(self) -> pd.DataFrame:
        """A row for each item, target variable and position, with saliency and standard error.

        Columns: ``id``, ``variable``, ``position`` (a tuple where positions have several axes, the
        feature's name where the domain gives names), ``saliency``, ``std_error``.

        Raises:
            InputError: pandas is not installed.
        """
        from salience.results.frame import to_dataframe

        return to_dataframe(self.saliency, self.ids, self.dataset_info.get("columns"))

    def save(self, path: str | Path) -> None:
        """Write everything to one file of safetensors with a JSON header, whole or not at all."""
        from salience.results.storage import save

        save({f.name: getattr(self, f.name) for f in fields(self)}, Path(path))

    @staticmethod
    def load(path: str | Path) -> Explanation:
        """Read what :meth:`save` wrote; nothing is unpickled.

        Raises:
            InputError: No such file, or not one of salience's.
        """
        from salience.results.storage import load

        return Explanation(**load(Path(path)))


def position_of(explanation: Explanation, item: int) -> int:
    """The position of an item, which may be counted from the end."""
    if not -len(explanation) <= item < len(explanation):
        raise InputError(f"no item {item}: the explanation holds items 0 to {len(explanation) - 1}")
    return item % len(explanation)
