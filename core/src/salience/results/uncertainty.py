"""Saliency with its uncertainty: standard errors, intervals and tests against 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from salience.errors import InputError, brief, nearest
from salience.intake import choice
from salience.plugins.parts import is_placeholder
from salience.results.design import Design
from salience.results.saliency import Saliency

# Figures among Saliency.flat_parts that are no part of the variance.
_TOP_SHARE = "top_share"


class UncertainSaliency:
    """What can be asked of saliency and its errors; :class:`Explanation` has the fields."""

    saliency: Mapping[str, Saliency]
    provenance: Mapping[str, Any]
    delta: Tensor
    design: Design
    n_independent: Tensor

    def __getitem__(self, variable: str) -> Saliency:
        if not isinstance(variable, str):
            raise InputError(
                f"[{brief(variable, 60)}] is no target variable ({', '.join(self.saliency)}); "
                f"items are had by item(0), iloc[0:5], iloc[mask], loc[id] or where(...)"
            )
        if variable not in self.saliency:
            raise InputError(
                f"no target variable {brief(variable)} was explained; "
                f"{nearest(variable, self.saliency)}"
            )
        return self.saliency[variable]

    @property
    def only(self) -> Saliency:
        """The saliency of the only target variable.

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

    @property
    def signed(self) -> bool:
        """Whether the aggregator keeps the sign of the saliency."""
        return self.design.signed

    @property
    def samples_parameters(self) -> bool:
        """Whether a sampler drew the parameters of the model."""
        return self.design.samples_parameters

    @property
    def interval_of(self) -> str:
        """What intervals and tests are about by default, as :attr:`salience.Design.interval_of`."""
        return self.design.interval_of

    @property
    def interval_about(self) -> str:
        """What intervals are of by default, in words, for the notes of pictures."""
        if self.interval_of == "draw":
            return "a further draw of the parameters"
        noise = self.provenance.get("samplers") and not self.samples_parameters
        return "the mean over draws of noise" if noise else "the mean over draws"

    @property
    def n_samples(self) -> int:
        """Number of draws per item, M; the largest where items have different numbers of draws."""
        return int(self.draws.max())

    @property
    def draws(self) -> Tensor:
        """Number of draws of each item, int64 of shape (B,)."""
        return self.n_independent * self.design.group

    @property
    def is_complete(self) -> bool:
        """Whether the values of an item add up to a change of f, and so have its unit.

        That holds for methods with a baseline, whose f(x) − f(baseline) is known, and for the mean
        of signed values or of magnitudes over draws.
        """
        aggregator = self.provenance.get("aggregator")
        name = aggregator.get("name", "raw") if isinstance(aggregator, Mapping) else aggregator
        return (name in ("raw", "abs", None) or is_placeholder(name)) and bool(
            self.delta.isfinite().all()
        )

    @property
    def variance_parts(self) -> Mapping[str, Any]:
        """Parts of the variance over nested draws, each of the form of :attr:`values`.

        By the law of total variance, Var = Var_θ(E_ε[s | θ]) + E_θ(Var_ε[s | θ]): ``"parameters"``
        is the first term, whose unbiased estimate can be negative, ``"noise"`` the second, and
        ``"total"`` their sum.

        Raises:
            InputError: The draws are not nested, or there are several target variables.
        """
        flat = {name: part for name, part in self.only.flat_parts.items() if name != _TOP_SHARE}
        if not flat:
            raise InputError(
                "only nested draws, aggregated by means such as 'raw', tell where variance comes "
                "from; pass a noise sampler, a parameter sampler and n_samples=(8, 16)"
            )
        return {name: self.only.split(part) for name, part in flat.items()}

    @property
    def top_share(self) -> Any:
        """Share of draws in which each place is among the top 10 % of its item, as :attr:`values`.

        It comes along with magnitudes under draws ("abs", "square") in domains that show it, as
        photos do, and is that of :class:`salience.TopShare` of these magnitudes.

        Raises:
            InputError: Top places were not counted, or there are several target variables.
        """
        found = self.only.flat_parts.get(_TOP_SHARE)
        if found is None:
            raise InputError(
                "top places were not counted, which photos do for magnitudes under several draws; "
                "explain with aggregator='top_share'"
            )
        return self.only.split(found)

    def interval(
        self, level: float = 0.95, of: str | None = None, variable: str | None = None
    ) -> tuple[Any, Any]:
        """Interval of the mean over draws, or of a further draw: lower and upper bounds.

        With M = :attr:`n_independent` and t the quantile of Student's t distribution with M − 1
        degrees of freedom, the bounds are

        - mean ± t · standard error for ``of="mean"``: where infinitely many draws would end up;
        - mean ± t · standard error · √(M + 1) for ``of="draw"``: where one more independent draw
          falls (an antithetic pair or nested group of draws, where draws depend on each other),
          provided that draws are normal (Hahn and Meeker, "Statistical Intervals", 1991).

        By default the interval is of what :meth:`p_values` tests: of a draw where parameters of
        the model were drawn, and else of the mean. It then leaves out 0 exactly where the p-value
        is below 1 − level.

        Args:
            level: Share of such intervals that contain what they are of.
            of: ``"mean"`` or ``"draw"``; :attr:`interval_of` where ``None``.
            variable: Target variable; may be omitted where only one was explained.

        Returns:
            The lower and the upper bounds, each of the form of :attr:`values`.

        Raises:
            InputError: The level is not between 0 and 1, an item has fewer than two independent
                draws, or ``of="draw"`` is asked where the aggregator does not average draws.
        """
        from salience.results.significance import interval

        of = self.interval_of if of is None else choice(of, "of", ("mean", "draw"))
        if of == "draw" and not self.design.averages:
            name = self.provenance["aggregator"]["name"]
            raise InputError(
                f"the aggregator {name!r} measures how draws spread, so that no single draw has "
                f"such a value; ask for of='mean', or aggregate by 'raw'"
            )
        saliency = self._chosen(variable)
        low, high = interval(saliency, self.n_independent, level, of)
        return saliency.split(low), saliency.split(high)

    def confidence_interval(
        self, level: float = 0.95, variable: str | None = None
    ) -> tuple[Any, Any]:
        """Confidence interval of the mean over draws: :meth:`interval` with ``of="mean"``."""
        return self.interval(level, "mean", variable)

    def p_values(self, variable: str | None = None) -> Any:
        """Two-sided p-value of "the saliency is 0" for each value, of the form of :attr:`values`.

        The hypothesis tested depends on the samplers. M stands for :attr:`n_independent`.

        With a parameter sampler, the test asks whether a further draw of the parameters could have
        the other sign. The spread of draws from the posterior measures how uncertain the saliency
        is, so more draws do not make a value more significant. With M draws of standard deviation
        s, |mean| / (s √(1 + 1/M)) has Student's t distribution with M − 1 degrees of freedom where
        the saliency is 0, provided that the posterior is normal and its width equals the
        uncertainty of the estimate.

        With noise samplers only, the saliency is the mean over the noise. |mean| / standard error
        is compared with the same distribution, and more draws detect smaller values.

        Where noise and parameters are both drawn, the noise adds to the spread and makes p-values
        larger than those of the saliency averaged over noise. With nested draws, the noise is
        averaged within each draw of the parameters, so its effect falls with the number of draws
        of noise.

        Args:
            variable: Target variable; may be omitted where only one was explained.

        Raises:
            InputError: An item has fewer than two independent draws, or the aggregator does not
                keep the sign of the saliency.
        """
        from salience.results.significance import p_values

        saliency = self._chosen_signed(variable)
        return saliency.split(p_values(saliency, self.n_independent, self.interval_of))

    def significant(self, level: float = 0.05, variable: str | None = None) -> Any:
        """Which values differ significantly from 0, bool, of the form of :attr:`values`.

        On average, at most a share of ``level`` of the positions marked in an item is marked
        wrongly (Benjamini and Hochberg, "Controlling the false discovery rate", 1995), provided
        that the positions are independent or positively dependent. Where some positions are
        negatively dependent, as the coefficients of correlated features are, the bound is not
        proven.

        Args:
            level: The false discovery rate, controlled for each item separately.
            variable: Target variable; may be omitted where only one was explained.

        Raises:
            InputError: As :meth:`p_values`, or the level is not between 0 and 1.
        """
        from salience.results.significance import significant

        saliency = self._chosen_signed(variable)
        return saliency.split(significant(saliency, self.n_independent, self.interval_of, level))

    def certainty(self, variable: str | None = None) -> Any:
        """Certainty of each value, from 0 to 1, of the form of :attr:`values`; for pictures.

        1 − p (:meth:`p_values`) where the aggregator keeps signs; otherwise 1 − standard error /
        |saliency|, or 0 where the standard error exceeds |saliency|. NaN for a single draw.

        Args:
            variable: Target variable; may be omitted where only one was explained.
        """
        from salience.results.significance import certainty_of_magnitude, certainty_of_sign

        saliency = self._chosen(variable)
        if not self.signed:
            return saliency.split(certainty_of_magnitude(saliency))
        return saliency.split(certainty_of_sign(saliency, self.n_independent, self.interval_of))

    def _chosen(self, variable: str | None) -> Saliency:
        return self.only if variable is None else self[variable]

    def _chosen_signed(self, variable: str | None) -> Saliency:
        """The saliency of the chosen variable, for tests against 0.

        Raises:
            InputError: The aggregator does not keep the sign of the saliency.
        """
        if not self.signed:
            name = self.provenance["aggregator"]["name"]
            raise InputError(
                f"the aggregator {name!r} makes no mean of signed saliency, which alone is 0 where "
                f"nothing matters; aggregate by 'raw' to test it"
            )
        return self._chosen(variable)
