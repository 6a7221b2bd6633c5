"""The record of a computation (parts, parameters, seed, versions), and how to repeat it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from salience.aggregators.base import Aggregator
from salience.data.groups import Pool
from salience.data.names import Positions
from salience.engine.request import Request
from salience.errors import InputError, brief
from salience.model.outputs import output_config
from salience.model.targets import Target
from salience.naming import is_file, listed
from salience.plugins import host
from salience.plugins.parts import is_placeholder, to_config
from salience.support.notices import sentences, tell

# Values inside each other that a record may hold.
_DEEPEST = 30


def record(request: Request) -> dict[str, Any]:
    """The record of a computation, which an explanation holds as its provenance.

    All entries are JSON types, except tensors and other data among the parameters of calculator,
    samplers and domain.

    Args:
        request: The request, whose baselines that are means of data have been computed.
    """
    own = request.settings
    made: dict[str, Any] = {
        "model": type(own.model).__qualname__,
        "domain": to_config("domains", own.domain),
        "target": recorded_targets(request),
        "output": output_config(own.output),
        "calculator": to_config("calculators", request.calculator),
        "samplers": [to_config("samplers", sampler) for sampler in request.samplers],
        "n_samples": request.draws.record(),
        "seed": request.seed,
        "precision": own.precision,
    }
    last = {} if request.aggregator is None else aggregated(request.aggregator)
    # Looking for the names of the parts may have loaded their plugins.
    made |= {"versions": _versions(), "plugins": _plugins()}
    if request.pool is not None:
        made["pool"] = request.pool.record()
    if notices := sentences():
        made["notices"] = notices
    return made | last


def recorded_targets(request: Request) -> list[Any]:
    """The target variables of a request, as its record holds them."""
    own = request.settings.target
    targets = own if isinstance(own, list | tuple) else [own]
    return [asdict(t) if isinstance(t, Target) else t for t in targets]


def aggregated(aggregator: Aggregator, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The entries of a record that name the aggregator.

    Args:
        aggregator: The aggregator.
        before: The record of draws that were kept, to whose plugins that of the aggregator is
            added; ``None`` where there is none.
    """
    made: dict[str, Any] = {"aggregator": to_config("aggregators", aggregator)}
    if before is not None:
        known = list(before.get("plugins", ()))
        made["plugins"] = known + [plugin for plugin in _plugins() if plugin not in known]
    return made


def settings(record: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of :func:`salience.explain` that repeat a recorded computation.

    Args:
        record: What :func:`record` returned, with the aggregator and ids where these were added.

    Returns:
        Name → value of each argument except ``model`` and ``data``.

    Raises:
        InputError: The record holds a placeholder for a part that no plugin registers, or for an
            object that cannot be saved; or it lacks an entry; or another plugin brings a part now.

    Files that the record names, such as weights, are told before they are opened.
    """
    is_map = isinstance(record, Mapping)
    names = ("domain", "output", "calculator", "samplers", "n_samples", "seed", "precision")
    lacking = [name for name in (*names, "target") if not (is_map and name in record)]
    if lacking:
        raise InputError(
            f"the record {brief(record)} has no {', '.join(lacking)}; pass the whole of "
            f"Explanation.provenance"
        )
    if "minus" in record:
        raise InputError(
            "the record is that of a difference, which no single computation gives; compute both "
            "sides again and subtract them"
        )
    chosen = {name: record[name] for name in names}
    # The record of draws that were kept has no aggregator; ids that are positions are not recorded.
    chosen |= {name: record[name] for name in ("aggregator", "ids") if name in record}
    if "positions" in record and "ids" not in record:
        chosen["ids"] = _positions(record["positions"])
    if "pool" in record:
        chosen["pool"] = Pool.of_record(record["pool"])
    _check_providers(chosen, record.get("plugins"))
    texts = list(_texts(chosen, _DEEPEST))
    for _, text in texts:
        if not is_placeholder(text):
            continue
        raise InputError(
            f"the record tells of {text} without holding it, since no plugin "
            f"registers it or it is no data; pass the object to salience.explain yourself"
        )
    own = (str(text) for key, text in texts if key not in ("name", "ids"))
    files = sorted({text for text in own if is_file(Path(text))})
    if files:
        tell(
            f"the record names files, which are opened now: {brief(', '.join(files))}; run records "
            f"that you trust"
        )
    targets = [_target(t) for t in listed(record["target"], "target of the record")]
    chosen["target"] = targets[0] if len(targets) == 1 else targets
    return chosen


def _check_providers(chosen: Mapping[str, Any], plugins: Any) -> None:
    """Raise InputError where a part of the same name is brought by another distribution now.

    Args:
        chosen: The entries of the record that repeat the computation.
        plugins: The plugins that were loaded then, as the record has them.
    """
    if not isinstance(plugins, list) or not all(isinstance(p, Mapping) for p in plugins):
        return  # a record of an earlier version
    then = {"salience", *(plugin.get("distribution") for plugin in plugins)}
    for kind, name in named_parts(chosen):
        now = host().provider(kind, name)
        if now is not None and now not in then:
            raise InputError(
                f"the {kind[:-1]} {brief(name, 60)} of {now} is not that of the record, which "
                f"was made with {brief(', '.join(sorted(map(str, then))), 90)}; install that "
                f"plugin, or pass the part as an object"
            )


def named_parts(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Kind and name of each part of a record that a plugin registers."""
    for kind in ("domains", "calculators", "samplers", "aggregators"):
        configs = record.get(kind, record.get(kind[:-1]))
        for config in configs if isinstance(configs, list | tuple) else [configs]:
            name = config.get("name") if isinstance(config, Mapping) else None
            if isinstance(name, str) and not is_placeholder(name):
                yield kind, name


def _positions(recorded: Any) -> Positions:
    if not isinstance(recorded, list | tuple) or not all(type(at) is int for at in recorded):
        raise InputError(
            f"the record holds {brief(recorded, 60)} under 'positions' in place of whole numbers; "
            f"pass the provenance as it was made"
        )
    return Positions(recorded)


def _target(recorded: Any) -> Any:
    if not isinstance(recorded, Mapping):
        return recorded
    try:
        return Target(**recorded)
    except TypeError as error:
        raise InputError(
            f"the record names the target {brief(recorded)}: {brief(error)}"
        ) from error


def _texts(value: Any, depth: int, key: str = "") -> Iterator[tuple[str, str | Path]]:
    """Yield the strings and paths in a value of a record, each with the name of its entry.

    A :func:`placeholder` among them stands for an object which a record cannot hold.

    Args:
        value: The value.
        depth: Largest number of values inside each other.
        key: Name of the nearest entry that holds the value.

    Raises:
        InputError: The value is nested deeper, as one that contains itself.
    """
    if depth == 0:
        raise InputError(
            f"the record holds values inside each other more than {_DEEPEST} deep; pass the whole "
            f"of Explanation.provenance"
        )
    if isinstance(value, str | Path):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(item, depth - 1, name)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, depth - 1, key)


def _plugins() -> list[dict[str, str]]:
    """The plugins that were loaded, whether or not a part of theirs took part."""
    return [
        {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version}
        for plugin in host().loaded()
    ]


def _versions() -> dict[str, str]:
    plugins = {plugin.distribution: plugin.version for plugin in host().loaded()}
    return plugins | {"salience": _own_version(), "torch": str(torch.__version__)}


@cache
def _own_version() -> str:
    return metadata.version("salience")
