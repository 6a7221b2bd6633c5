"""The call that explains a data set of any length, as a base of :class:`salience.Explainer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from salience.engine.executors.base import Executor
from salience.engine.request import Request
from salience.naming import path_of
from salience.runs.dataset import RunOptions, explained_dataset
from salience.runs.stored.result_set import ResultSet
from salience.support.isolation import isolated
from salience.support.notices import Hearing


class DatasetExplainer:
    """What :class:`salience.Explainer` can do with data sets of any length."""

    _warned: set[str]

    def _request(self, *parts: Any, **settings: Any) -> Request:
        raise NotImplementedError

    @isolated()
    def explain_dataset(
        self,
        data: Any,
        out: str | Path,
        calculator: Any = "gradient",
        samplers: Sequence[Any] = (),
        n_samples: Any = 1,
        aggregator: Any = "raw",
        seed: int = 0,
        *,
        pool: Any = None,
        ids: Sequence[int | str] | None = None,
        labels: Sequence[Any] | None = None,
        unit_items: int | str = "auto",
        executor: str | Mapping[str, Any] | Executor = "serial",
        resume: bool = True,
        on_error: str = "record",
        progress: bool | None = None,
        stripe: tuple[int, int] | None = None,
    ) -> ResultSet:
        """Explain a data set of any length, unit by unit, into a folder that can be asked.

        A unit is a range of items, and a file of the folder once it is done. A run that was ended,
        however it was, goes on where it stopped when it is called again with the same arguments;
        any other model, data, part or seed is refused. The numbers of a unit depend neither on the
        executor nor on the time. docs/design/runs.md says how.

        Args:
            data: A Dataset; a folder of files, or a file with a record for each item (CSV, Parquet,
                SMILES, SDF); ``"module:name"`` of data; a list, an array, a frame, or anything else
                with a length.
            out: The folder.
            calculator: As in :meth:`explain`.
            samplers: As in :meth:`explain`.
            n_samples: As in :meth:`explain`.
            aggregator: As in :meth:`explain`.
            seed: As in :meth:`explain`.
            pool: As in :meth:`explain`: groups of positions, not the executor.
            ids: As in :meth:`explain`.
            labels: A number or text for each item, by which items are found.
            unit_items: Number of items of a unit; ``"auto"`` takes as many as need a second or
                more. With that, and with ``max_rows="auto"``, a pilot decides once for the folder.
            executor: ``"serial"``, ``"threads"``, ``"pool"``, the name of a plugin's executor, or
                an object. Executors with other processes need a model of
                :func:`salience.load_model`, which they make again.
            resume: Whether a run in the folder may go on; else it is refused.
            on_error: ``"record"`` records an item that fails and goes on; ``"raise"`` stops there.
            progress: As in :meth:`explain`.
            stripe: ``(rank, world)``: this program computes each unit whose number is rank modulo
                world, of programs that share the folder.

        Raises:
            InputError: As in :meth:`explain`; or the folder holds another run or other files, or
                cannot be written; or pyarrow is not installed.
        """
        settings = {"seed": seed, "aggregator": aggregator, "pool": pool}
        request = self._request(calculator, samplers, n_samples, **settings)
        options = RunOptions(
            ids=ids,
            labels=labels,
            unit_items=unit_items,
            executor=executor,
            resume=resume,
            on_error=on_error,
            progress=progress,
            stripe=stripe,
        )
        with Hearing(self._warned):
            return explained_dataset(request, data, path_of(out), options)
