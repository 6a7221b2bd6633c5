"""``salience new``: a plugin of the user's own, copied from the templates of salience-template."""

from __future__ import annotations

import importlib
import keyword
import re
from importlib import util
from pathlib import Path
from typing import Any

import click

from salience.cli.folder import Folder
from salience.cli.options import Command
from salience.errors import InputError, an, brief
from salience.plugins import host

KINDS = ("domain", "calculator", "sampler", "weight_sampler", "aggregator", "visualizer")


@click.command(cls=Command, needs=("name",), short_help="Start a plugin of your own.")
@click.argument("name", required=False)
@click.option("--kind", type=click.Choice(KINDS), default="domain", show_default=True)
@click.option(
    "--data",
    type=click.Choice(("dense", "padded", "ragged")),
    help="Items of a domain: of one shape, padded with a mask, or one after the other.",
)
@click.option(
    "--target",
    type=click.Choice(("input", "module")),
    help="What a domain explains by default: the input, or the output of a module.",
)
def new(name: str, kind: str, data: str | None, target: str | None) -> None:
    """Start a plugin of your own: write the folder salience-NAME, whose tests pass as they are.

    It is a copy of a tested template. NAME, in lower case, is what users will write: domain="NAME".
    Its README says what to change.
    """
    try:
        folder = make(name, kind, data, target)
    except (InputError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{folder}: the {kind.replace('_', ' ')} {name!r}, with tests; README.md goes on")
    click.echo(f"  pip install -e ./{folder} pytest && pytest {folder} && salience plugins")


def make(name: str, kind: str, data: str | None = None, target: str | None = None) -> str:
    """Write the folder of a new plugin into the working folder, and return its name.

    Args:
        name: Name of the plugin and of its part.
        kind: One of :data:`KINDS`.
        data: ``"dense"``, ``"padded"`` or ``"ragged"``, for a domain; dense where ``None``.
        target: ``"input"`` or ``"module"``, for a domain; the input where ``None``.

    Raises:
        InputError: The name is that of no identifier or is taken, the folder exists, an option is
            none of this kind, or salience-template is not installed.
    """
    _check_name(name)
    for option, given in (("--data", data), ("--target", target)):
        if given is not None and kind != "domain":
            raise InputError(f"{option} is of domains, and this is {an(kind)}; leave {option} out")
    folder = Path(f"salience-{name.replace('_', '-')}")
    if folder.exists() or folder.is_symlink():
        raise InputError(f"{str(folder)!r} exists already; remove it, or pick another name")
    files = _templates().files(
        name, (data or "dense") if kind == "domain" else kind, inner_target=target == "module"
    )
    with Folder.of(str(folder), overwrite=False).writing() as temporary:
        for path, text in files.items():
            (temporary / path).parent.mkdir(parents=True, exist_ok=True)
            (temporary / path).write_text(text, encoding="utf-8")
    return str(folder)


def _check_name(name: str) -> None:
    """Raise InputError where a name is no identifier, or that of what is installed."""
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name) or "__" in name:
        raise InputError(
            f"the name {brief(name, 40)} is no Python identifier in lower case; pass one such as "
            f"audio or my_method"
        )
    distribution, package = f"salience-{name.replace('_', '-')}", f"salience_{name}"
    for record in host().records:
        taken = {record.name, record.distribution}
        if {name, distribution} & taken:
            raise InputError(
                f"{record.distribution} has a plugin {record.name!r}; pick another name"
            )
        for kind, parts in record.parts.items():
            for part in (name, f"{name}_plot"):
                if part in parts:
                    raise InputError(
                        f"{record.distribution} has {an(kind[:-1])} {part!r}; pick another name"
                    )
    if util.find_spec(package) is not None:
        raise InputError(f"a package {package} is installed already; pick another name")


def _templates() -> Any:
    try:
        return importlib.import_module("salience_template.project")
    except ModuleNotFoundError as error:
        if error.name != "salience_template":
            raise
        raise InputError(
            "the templates are those of salience-template, which is not installed; run: "
            "pip install salience-template"
        ) from error
