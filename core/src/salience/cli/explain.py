"""The work of ``salience explain``, ``check`` and ``rerun``: load, read, explain, write."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from torch import nn

from salience.cli.folder import Folder
from salience.cli.inputs import class_names_of, data_of, files_of, make_domain, names_in, note
from salience.cli.outputs import Outputs
from salience.cli.pictures import Pictures
from salience.cli.rehearsal import rehearse
from salience.cli.saved import difference_words
from salience.data.broken import LeftOut
from salience.engine.record import settings as recorded_settings
from salience.engine.units import Unit, read
from salience.errors import InputError, Notice, nearest
from salience.explainer import Explainer
from salience.model.targets import Target
from salience.plugins.parts import parse
from salience.results.explanation import Explanation
from salience.runs.loading import load_model, load_object
from salience.support.allocator import tune_allocator
from salience.support.isolation import isolated
from salience.support.notices import Hearing, tell

# Settings of an explainer and of its domain, which options of a command name.
_OF_EXPLAINER = ("target", "output", "max_rows", "device", "precision")
# Arguments of a request, by position.
_PARTS = ("calculator", "samplers", "n_samples")


@dataclass(frozen=True)
class Prepared:
    """A computation that is ready to begin.

    Args:
        explainer: The explainer.
        arguments: Those of :meth:`Explainer.explain`, without the data.
        data: The data, as its domain reads it.
        ids: Ids of the items, or ``None``.
        inputs: Files that are read.
    """

    explainer: Explainer
    arguments: Mapping[str, Any]
    data: Any
    ids: Any
    inputs: Sequence[Path]

    def read(self) -> tuple[Unit, LeftOut]:
        """Read the items; each that is left out is named on stderr, with the reason."""
        with isolated(), Hearing(), LeftOut() as left_out:
            unit = read(self.explainer.domain, self.data, self.ids)
        for reason in left_out.reasons.values():  # which name the item and its position
            note(f"left out: {reason}")
        return unit, left_out


def run(*, n_samples: str, progress: bool | None, **options: Any) -> None:
    """Explain a model, save the explanation and draw it; the arguments are the command's options.

    The folder gets the explanation, ``run.salience``; a picture of each of the first ``items``
    items, named by its id; and, where the items share their positions, a picture of the mean over
    all items.

    Raises:
        InputError: As for :meth:`salience.Explainer.explain`; or the model cannot be made, an
            option cannot be read, or something cannot be written.
    """
    tune_allocator()
    outputs = _outputs(options)
    arguments = {"n_samples": _draws(n_samples), "progress": progress}
    prepared = _prepared(options, arguments, options["domain"])
    outputs.write(_computed(prepared, outputs, options))


def run_check(*, n_samples: str, **options: Any) -> bool:
    """Print what :func:`run` would assume of the model; the arguments are those of the command.

    Returns:
        Whether nothing is refused.

    Raises:
        InputError: As for :meth:`salience.Explainer.check`, or an option cannot be read.
    """
    prepared = _prepared(options, {"n_samples": _draws(n_samples)}, options["domain"])
    unit, _ = prepared.read()
    _say_weights(prepared, options)
    with _shown_notices():
        return prepared.explainer.check(unit, **prepared.arguments).holds


def run_again(*, run: str, progress: bool | None, **options: Any) -> None:
    """Compute a saved explanation again, from its record; the arguments are the command's options.

    Says how far its values are from the saved ones.

    Raises:
        InputError: As for :func:`salience.rerun`, and as :func:`run`.
    """
    tune_allocator()
    outputs = _outputs(options)
    former = Explanation.load(run)
    record = dict(former.provenance)
    domain = record.get("domain")
    if isinstance(domain, Mapping):
        record["domain"] = {**domain, **_of_domain(options)}
    with _shown_notices():
        settings = recorded_settings(record)
    own = {name: settings.pop(name) for name in _OF_EXPLAINER if name in settings}
    domain = settings.pop("domain")
    chosen = {**options, **own, "id_column": None, "on_error": None}
    settings = {"aggregator": "raw", **settings, "progress": progress}
    prepared = _prepared(chosen, settings, domain, ids=settings.pop("ids", None))
    again = _computed(prepared, outputs, options)
    click.echo(difference_words(former, again, run))
    outputs.write(again)


def _computed(prepared: Prepared, outputs: Outputs, options: Mapping[str, Any]) -> Explanation:
    outputs.check(prepared.explainer.domain, prepared.inputs)
    unit, left_out = prepared.read()
    explanation = rehearse(prepared.explainer, unit, prepared.arguments, outputs)
    _say_weights(prepared, options)
    with _shown_notices(left_out.sentence):
        if explanation is None:
            explanation = prepared.explainer.explain(unit, **prepared.arguments)
        else:
            for sentence in explanation.provenance.get("notices", ()):
                tell(sentence)
    _report(explanation, left_out)
    return explanation


def _outputs(options: Mapping[str, Any]) -> Outputs:
    export, report = (options.get(name) for name in ("export", "report"))
    return Outputs(
        Folder.of(options["out"], overwrite=options["overwrite"]),
        Pictures.of(options["visualizer"], options["suffix"], options["items"]),
        None if export is None else Path(export),
        None if report is None else Path(report),
    )


def _prepared(
    options: Mapping[str, Any], arguments: Mapping[str, Any], domain: Any, ids: Any = None
) -> Prepared:
    """Load and make all that a computation needs.

    Args:
        options: Those of the command.
        arguments: Further arguments of :meth:`Explainer.explain`.
        domain: Text or config of the domain.
        ids: Ids of the items; those of the option ``--ids`` where ``None``.
    """
    named = ("calculator", "samplers", "aggregator", "seed")
    parts = {name: options[name] for name in named if name in options} | dict(arguments)
    rows = _max_rows(options["max_rows"])
    made = make_domain(domain, **_of_domain(options))
    target = options["target"]
    explainer = Explainer(
        load_model(options["model"], options["weights"]),
        made,
        _targets(target) if isinstance(target, tuple) else target,
        options["output"],
        max_rows=rows,
        device=options["device"],
        precision=options.get("precision", "full"),
    )
    explainer._request(*(parts[name] for name in _PARTS), **_beside(parts))  # refused at once
    data = data_of(options["data"], made)
    files = [options[name] for name in ("weights", "ids", "class_names") if options.get(name)]
    inputs = [*files_of(data), *map(Path, files)]
    ids = names_in(options.get("ids"), "--ids") if ids is None else ids
    return Prepared(explainer=explainer, arguments=parts, data=data, ids=ids, inputs=inputs)


def _of_domain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the domain that options of their own name."""
    found = {name: options.get(name) for name in ("id_column", "on_error")}
    if (transform := options.get("transform")) is not None:
        expected = "pass module:name of a function from a PIL image to a tensor"
        found["transform"] = load_object(transform, "--transform", expected)
    found["class_names"] = class_names_of(options.get("class_names"))
    return {name: value for name, value in found.items() if value is not None}


def _beside(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a request beside its parts."""
    return {k: arguments[k] for k in ("seed", "aggregator", "pool") if k in arguments}


def _targets(texts: Sequence[str]) -> Any:
    """The target variables; ``None`` where none is named."""
    return [_target(text) for text in texts] or None


def _target(text: str) -> str | Target:
    """A target variable: a name, or a path of a module with fields of :class:`Target`."""
    if ":" not in text:
        return text
    module, settings = parse(text)
    known = ("at", "call", "index", "axes")
    for name in settings:
        if name not in known:
            raise InputError(f"--target has no setting {name!r}; {nearest(name, known)}")
    return Target(module, **settings)


def _say_weights(prepared: Prepared, options: Mapping[str, Any]) -> None:
    """Say that the weights are those that the factory made, where no file of weights was named."""
    model = prepared.explainer.model
    has_weights = isinstance(model, nn.Module) and next(model.parameters(), None) is not None
    if options["weights"] is None and has_weights:
        note(f"no --weights, so the weights are as {options['model']} makes them")


@contextmanager
def _shown_notices(known: str = "") -> Iterator[None]:
    """Say notices on stderr in a line each, except a sentence that is ``known``."""
    with warnings.catch_warnings():
        former = warnings.showwarning

        def show(message: Any, category: Any, *place: Any) -> None:
            if not issubclass(category, Notice):
                former(message, category, *place)
            elif str(message) != known:
                note(str(message))

        warnings.simplefilter("always", Notice)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


def _max_rows(text: Any) -> int | str:
    if text != "auto" and not _is_number(text):
        raise InputError(f"max_rows={text!r}; pass 'auto' or a whole number from 1")
    return text if text == "auto" else int(text)


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


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _report(explanation: Explanation, left_out: LeftOut) -> None:
    record = explanation.provenance
    samplers = ", ".join(sampler["name"] for sampler in record["samplers"]) or "no sampler"
    parts = (record["calculator"]["name"], samplers, _counted(explanation.n_samples, "draw"))
    click.echo(
        f"{_counted(len(explanation), 'item')}, {', '.join(parts)}, {record['aggregator']['name']}"
    )
    gap = explanation.completeness_gap
    if gap.isfinite().all():
        click.echo(f"completeness gap: median {gap.median():.2g}, largest {gap.max():.2g}")
    if left_out.reasons:
        click.echo(
            f"{len(left_out.reasons)} of {left_out.n_items} inputs were left out, which stderr "
            f"names"
        )
