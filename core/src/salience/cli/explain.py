"""The work of ``salience explain`` and ``salience check``: load the model, explain, save, draw."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from torch import nn

from salience.errors import InputError, brief
from salience.explainer import Explainer
from salience.model.state_dicts import read_state
from salience.naming import path_of
from salience.plugins.parts import make, parse
from salience.results.explanation import Explanation
from salience.support.allocator import tune_allocator
from salience.visualize.visualizer import NoMeanError


def run(
    model: str,
    weights: str | None,
    *,
    domain: str,
    data: Sequence[str],
    out: str,
    target: Sequence[str],
    max_rows: str,
    device: str | None,
    output: str | None,
    visualizer: str | None,
    suffix: str,
    items: int,
    n_samples: str,
    **settings: Any,
) -> None:
    """Explain a model, save the explanation and draw it, into the folder ``out``.

    The folder gets the explanation, ``run.salience``; a picture of each of the first ``items``
    items, ``0000.png`` and so on; and, where the items share their positions, a picture of the mean
    over all items, ``mean.png`` (``suffix`` in the place of ``png``). The other arguments are the
    options of the command.

    Raises:
        InputError: As for :meth:`salience.Explainer.explain`; or the model cannot be made, an
            option cannot be read, or the folder cannot be written to.
    """
    tune_allocator()
    folder = path_of(out, "--out")
    _check_folder(folder)
    draws = _draws(n_samples)
    name, options = parse(visualizer) if visualizer else (None, {})
    rows = _max_rows(max_rows)
    explainer = Explainer(
        load_model(model, weights),
        domain,
        target=list(target) or None,
        output=output,
        max_rows=rows,
        device=device,
    )
    if chosen := name or explainer.domain.visualizer:  # refused before the long work
        make("visualizers", chosen, options).check_format(suffix)
    explanation = explainer.explain(_data(data), n_samples=draws, **settings)
    explanation.save(folder / "run.salience")
    drawn = min(items, len(explanation))
    for item in range(drawn):
        path = folder / f"{item:04d}.{suffix}"
        explanation.visualize(item, path=path, visualizer=name, **options)
    with suppress(NoMeanError):
        explanation.visualize(path=folder / f"mean.{suffix}", visualizer=name, **options)
    _report(explanation, folder, drawn)


def run_check(
    model: str,
    weights: str | None,
    *,
    domain: str,
    data: Sequence[str],
    target: Sequence[str],
    max_rows: str,
    device: str | None,
    output: str | None,
    n_samples: str,
    **settings: Any,
) -> bool:
    """Print what :func:`run` would assume of the model; the arguments are those of the command.

    Returns:
        Whether nothing is refused.

    Raises:
        InputError: As for :meth:`salience.Explainer.check`, or an option cannot be read.
    """
    draws, rows = _draws(n_samples), _max_rows(max_rows)
    made = load_model(model, weights)
    chosen = list(target) or None
    explainer = Explainer(made, domain, chosen, output, max_rows=rows, device=device)
    return explainer.check(_data(data), n_samples=draws, **settings).holds


def _max_rows(text: str) -> int | str:
    if text != "auto" and not _is_number(text):
        raise InputError(f"max_rows={text!r}; pass 'auto' or a whole number from 1")
    return text if text == "auto" else int(text)


def _data(given: Sequence[str]) -> Any:
    return given[0] if len(given) == 1 else list(given)


def _draws(text: str) -> Any:
    """Parse ``30``, ``8,16`` or ``until:rel_error=0.05`` into a value for ``n_samples``."""
    if text.partition(":")[0] == "until":
        return parse(text)[1]
    numbers = text.split(",")
    if not all(_is_number(number.strip()) for number in numbers):
        raise InputError(f"n_samples={text!r}; pass 30, 8,16 or until:rel_error=0.05,max=512")
    return int(text) if len(numbers) == 1 else [int(number) for number in numbers]


def _is_number(text: str) -> bool:
    # Python reads no number of more than 4300 digits, and 20 are beyond 64 bits.
    return text.isdecimal() and len(text) <= 20


def _check_folder(folder: Path) -> None:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(
            f"cannot write to {str(folder)!r}: {str(there)!r} is a file; pass a folder"
        )


def load_model(factory: str, weights: str | None) -> Any:
    """Make the model by ``module:factory`` and load its weights.

    Only tensors are read from the file of weights; nothing in the file is executed.

    Args:
        factory: ``"module:attribute"``, where the attribute is a ``torch.nn.Module``, or is called
            without arguments to return the model.
        weights: Path of a state dict, ``.safetensors`` or ``.pt``; where ``None``, the model keeps
            its weights.

    Raises:
        InputError: The factory is missing or raises, or the weights are missing or do not fit.
    """
    module, _, attribute = factory.partition(":")
    if not attribute:
        raise InputError(f"--model {factory!r} is not of the form module:factory")
    sys.path.insert(0, "")  # as `python -m` does, so that modules in the working folder are found
    try:
        found = getattr(importlib.import_module(module), attribute)
        model = found if isinstance(found, nn.Module) else found()
    except (Exception, SystemExit) as error:  # the user's module may raise anything
        raise InputError(
            f"cannot make the model {factory!r} ({type(error).__name__}: {brief(error)}); "
            f"pass module:factory, where factory() returns the model"
        ) from error
    finally:
        sys.path.remove("")
    if weights is not None:
        if not isinstance(model, nn.Module):
            raise InputError(
                f"{factory!r} makes a {type(model).__name__}, which takes no weights; "
                f"leave --weights out"
            )
        _load_weights(model, Path(weights))
    return model


def _load_weights(model: nn.Module, path: Path) -> None:
    state = read_state(path)
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        # The first line of torch's message is a headline; the lines after it name the misfits.
        _, _, misfit = str(error).partition("\n")
        shown = RuntimeError(misfit) if misfit else error
        raise InputError(
            f"the weights in {str(path)!r} do not fit the model: {brief(shown)}; "
            f"pass those of the model that --model makes"
        ) from error


def _report(explanation: Explanation, folder: Path, drawn: int) -> None:
    record = explanation.provenance
    samplers = ", ".join(sampler["name"] for sampler in record["samplers"]) or "no sampler"
    click.echo(
        f"{len(explanation)} items, {record['calculator']['name']}, {samplers}, "
        f"{explanation.n_samples} draws, {record['aggregator']['name']}"
    )
    gap = explanation.completeness_gap
    if gap.isfinite().all():
        click.echo(f"completeness gap: median {gap.median():.2g}, largest {gap.max():.2g}")
    click.echo(f"wrote run.salience and pictures of {drawn} items to {folder}")
