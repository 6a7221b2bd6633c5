"""Means of saliency over the items of a data set, with their errors over draws and over items."""

from __future__ import annotations

import torch
from torch import Tensor

from salience.errors import InputError
from salience.intake import choice
from salience.results.uncertainty import UncertainSaliency


class MeanSaliency(UncertainSaliency):
    """What can be asked of the mean over items; :class:`Explanation` has the fields."""

    drawn: Tensor

    def mean(self, of: str = "value") -> Tensor:
        """Mean saliency over the items, the importance of each position, shape (…).

        Values of opposite signs cancel in the mean of values, so that a position may matter in
        each item and have a mean of 0. The mean of magnitudes is a mean of |value|, with each
        value already the mean over draws; it is above 0 also where nothing but noise is averaged.

        Args:
            of: ``"value"`` or ``"magnitude"``.

        Raises:
            InputError: Items are ragged and so have no positions in common, or there are several
                target variables.
        """
        return torch.mean(self._items(of), 0)

    def mean_std_error(self, over: str = "draws", of: str = "value") -> Tensor:
        """Standard error of :meth:`mean`, shape (…).

        The two errors answer different questions and are not to be mixed:

        - over draws: how the mean varies with other draws for the same items. Where the items share
          draws of the weights, their errors may be fully correlated; the upper bound, the mean of
          the items' standard errors, is then returned. For magnitudes the error is an upper bound
          as well, since a magnitude varies at most as its value does.
        - over items: how the mean varies with another sample of items, s / √B, with the standard
          deviation s of the B items' values. It includes what their draws add; NaN for one item.

        Args:
            over: ``"draws"`` or ``"items"``.
            of: ``"value"`` or ``"magnitude"``.

        Raises:
            InputError: As :meth:`mean`.
        """
        values = self._items(of)
        if choice(over, "over", ("draws", "items")) == "items":
            if len(values) == 1:
                return torch.full_like(values[0], torch.nan)
            spread: Tensor = values.double().std(0)
            return spread.div(len(values) ** 0.5).to(values.dtype)
        return self._error_over_draws(torch.ones_like(self.n_independent))

    def mean_interval(
        self, level: float = 0.95, over: str = "draws", of: str = "value"
    ) -> tuple[Tensor, Tensor]:
        """Student's t interval of :meth:`mean`: lower and upper bounds, shape (…) each.

        Over draws it is of what :meth:`interval` is by default: of the mean over infinitely many
        draws or, where parameters of the model were drawn, of a further draw for all items. The
        degrees of freedom are those of a sum of independent errors (Satterthwaite, "An approximate
        distribution of estimates of variance components", 1946), or the lowest of an item where
        items share draws. Over items it is of the mean over infinitely many items.

        Magnitudes of signed values are those of means over draws, which are larger than those of
        infinitely many draws, by at most their standard error on average. Over draws, the lower
        bound is therefore lower by the mean of the items' standard errors, and is 0 at least; the
        interval is then always of the mean over infinitely many draws, and contains it more often
        than ``level`` says.

        Args:
            level: Share of such intervals that contain what they are of.
            over: As in :meth:`mean_std_error`.
            of: As in :meth:`mean`.

        Raises:
            InputError: As :meth:`mean`; or the level is not between 0 and 1; or there are fewer
                than two independent draws, or items.
        """
        from salience.results.significance import quantile, share

        level, mean = share(level, 0.95), self.mean(of).double()
        if choice(over, "over", ("draws", "items")) == "draws":
            return self._interval_over_draws(level, of)
        number = torch.tensor(len(self.n_independent), device="cpu")
        if number < 2:
            raise InputError("a single item says nothing of other items; pass more items")
        half = self.mean_std_error(over, of).double() * quantile(level, number)
        dtype = self.only.flat.dtype
        return (mean - half).to(dtype), (mean + half).to(dtype)

    def _interval_over_draws(self, level: float, of: str) -> tuple[Tensor, Tensor]:
        from salience.results.significance import quantile

        is_magnitude = of == "magnitude" and self.signed
        about_draw = self.interval_of == "draw" and not is_magnitude
        lowest, once = int(self.n_independent.min()), torch.ones_like(self.n_independent)
        if lowest == 1 or (lowest == 0 and about_draw):
            raise InputError(
                "a single draw says nothing of its error; pass a sampler and n_samples of 2 or more"
            )
        factors = self.n_independent + 1 if about_draw else once
        half = self._error_over_draws(factors).double()
        half = half * quantile(level, self._number_over_draws(factors))
        mean, dtype = self.mean(of).double(), self.only.flat.dtype
        low = mean - half
        if is_magnitude:  # E|m| − |μ| ≤ E|m − μ| ≤ the standard error of m
            low = (low - self._errors(once).mean(0)).clamp(min=0)
        return low.to(dtype), (mean + half).to(dtype)

    def _items(self, of: str) -> Tensor:
        if self.only.counts is not None:
            raise InputError(
                "the mean over items needs items of one shape, but these are ragged; "
                "use .values, one tensor an item"
            )
        flat = self.only.flat
        return flat.abs() if choice(of, "of", ("value", "magnitude")) == "magnitude" else flat

    def _error_over_draws(self, factors: Tensor) -> Tensor:
        """Standard error of the mean, where the variances of the items have further factors."""
        errors = self._errors(factors)
        if self.design.shared_draws:
            error = errors.mean(0)
        else:
            error = errors.square().sum(0).sqrt() / len(errors)
        return error.to(self.only.flat.dtype)

    def _errors(self, factors: Tensor) -> Tensor:
        """Standard errors of the items' values, float64, whose variances have further factors."""
        saliency = self.only
        errors = saliency.flat_error.double() * saliency.per_value(factors).double().sqrt()
        if bool(self.drawn.any()):  # items for which nothing was drawn are known without error
            errors = torch.where(saliency.per_value(self.drawn), errors, 0.0)
        return errors

    def _number_over_draws(self, factors: Tensor) -> Tensor:
        """Independent draws behind the error of the mean of each position; need not be whole."""
        number = self.n_independent.double()
        number = torch.where(number == 0, torch.inf, number)  # unknown, which counts as many
        if self.design.shared_draws:
            return number.min()
        errors = self._errors(factors)
        variances = (errors / errors.amax(0)).square()  # squares of small ones would be 0
        freedom = self.only.per_value(number - 1)
        found = variances.sum(0).square() / (variances.square() / freedom).sum(0)
        return torch.where(found.isnan(), torch.inf, found) + 1
