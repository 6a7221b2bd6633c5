"""The work of ``salience run`` and ``salience results``: data sets of any length, and folders."""

from __future__ import annotations

import click

from salience.cli.config import read_config, written_config
from salience.cli.inputs import names_in, note
from salience.errors import InputError, brief
from salience.explainer import Explainer
from salience.runs.loading import load_model
from salience.runs.stored.result_set import ResultSet
from salience.support.allocator import tune_allocator

# Items that failed, and positions, that are printed; a table has all of them.
_SHOWN = 10
# Entries of a config that the explainer gets, and those that the call gets.
_OF_EXPLAINER = ("domain", "target", "output", "max_rows", "device")
_OF_CALL = (
    *("calculator", "samplers", "n_samples", "aggregator", "seed"),
    *("executor", "unit_items", "on_error"),
)


def run_config(config: str, progress: bool | None, stripe: str | None) -> None:
    """Explain a data set as a config says; a run that was stopped goes on.

    Args:
        config: The file.
        progress: Whether to show a progress bar; only in a terminal where ``None``.
        stripe: Rank and number of the programs that share the run, as in ``"0/4"``, or ``None``.

    Raises:
        InputError: As for :meth:`salience.Explainer.explain_dataset`, or an entry is wrong.
    """
    tune_allocator()
    given = read_config(config)
    model = load_model(given["model"], given["weights"])
    if given["weights"] is None:
        note(f"no weights, so the weights are as {given['model']} makes them")
    explainer = Explainer(model, **{name: given[name] for name in _OF_EXPLAINER})
    settings = {name: given[name] for name in _OF_CALL}
    settings["stripe"] = _stripe(stripe)
    settings |= {name: names_in(given[name], name) for name in ("ids", "labels")}
    results = explainer.explain_dataset(given["data"], given["out"], progress=progress, **settings)
    click.echo(repr(results))
    _print_failed(results)


def _stripe(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    rank, _, world = text.partition("/")
    if not (rank.isdecimal() and world.isdecimal()):
        raise InputError(f"--stripe is {brief(text)}; pass RANK/WORLD, such as 0/4")
    return int(rank), int(world)


def print_config(domain: str | None) -> None:
    """Print a config to edit.

    Raises:
        InputError: No domain is named, or there is no such domain.
    """
    if domain is None:
        raise InputError("no domain is named; pass --domain, such as --init --domain vision")
    click.echo(written_config(domain), nl=False)


def print_results(folder: str, table: str | None) -> None:
    """Print how far a run is, what failed, and the importance of positions.

    Args:
        folder: The folder of the run.
        table: CSV file for the table of all items and positions, or ``None``.

    Raises:
        InputError: The folder holds no run, or the items do not share positions and a table is
            wanted.
    """
    results = ResultSet.open(folder)
    click.echo(repr(results))
    _print_failed(results)
    if not len(results):
        return
    if table is not None:
        results.to_dataframe().to_csv(table, index=False)
        click.echo(f"wrote {table}")
    try:
        importance = results.importance().to_dataframe()
    except InputError as error:
        click.echo(f"no importance: {error}")
        return
    click.echo(importance.head(_SHOWN).to_string(float_format="{:.4g}".format))


def _print_failed(results: ResultSet) -> None:
    failed = results.failed
    for name, reason in list(failed.items())[:_SHOWN]:
        note(f"{name}: {reason}")
    if failed:
        click.echo(f"{len(failed)} items failed, of which stderr names at most {_SHOWN}")
