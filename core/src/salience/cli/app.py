"""The command line: ``salience plugins``, ``explain`` and ``check``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import click

from salience.errors import InputError, one_line
from salience.plugins import PluginRecord, host

# Characters of a message of click's, to which it adds the name of the option.
_SAID = 240


class _Commands(click.Group):
    """Commands whose mistakes are told in a short line, those that click finds as well."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; see :meth:`click.Group.invoke`."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error.message = one_line(error.message, _SAID)  # type: ignore[misc]
            raise


@click.group(cls=_Commands)
@click.version_option(package_name="salience")
def main() -> None:
    """Saliency with error bars for PyTorch models."""


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plugins(as_json: bool) -> None:
    """List the installed plugins and their parts; exit with 1 if a plugin has an error."""
    records = host().records
    if as_json:
        click.echo(json.dumps([_json(record) for record in records], indent=2))
    else:
        for record in records:
            _print(record)
    sys.exit(1 if any(record.error for record in records) else 0)


_REQUEST = (
    click.option("--domain", required=True, help="Domain, e.g. vision or 'tabular:...'."),
    click.option("--model", required=True, help="module:factory that makes the model."),
    click.option("--weights", type=click.Path(), help="State dict as .safetensors or .pt."),
    click.option("--target", multiple=True, help="Target variable; may be given several times."),
    click.option("--output", help="Output variable: predicted, class:3, cross_entropy, value."),
    click.option("--calculator", default="gradient", show_default=True),
    click.option("--sampler", "samplers", multiple=True, help="May be given several times."),
    click.option(
        "--n-samples",
        default="1",
        show_default=True,
        help="Draws per item: 30; 8,16 (parameters, noise for each); until:rel_error=0.05,max=512.",
    ),
    click.option("--aggregator", default="raw", show_default=True),
    click.option("--seed", default=0, show_default=True),
    click.option("--device", help="Where to run, e.g. cuda."),
    click.option("--max-rows", default="auto", show_default=True, help="Rows in a forward pass."),
    click.argument("data", nargs=-1, required=True),
)


def _request_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what is to be computed."""
    for option in reversed(_REQUEST):
        command = option(command)
    return command


@main.command()
@_request_options
@click.option("--visualizer", help="The domain's own if not given.")
@click.option(
    "--items",
    type=click.IntRange(min=0),
    default=16,
    show_default=True,
    help="Draw at most so many items.",
)
@click.option("--format", "suffix", default="png", show_default=True, help="Of the pictures.")
@click.option("--progress/--no-progress", default=None, help="Default: in a terminal.")
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder to write to.")
def explain(model: str, weights: str | None, **settings: Any) -> None:
    """Explain a model on DATA (files, or other input of the domain); save and draw the result."""
    # Imported here, so that `salience plugins` does not import torch.
    from salience.cli.explain import run

    try:
        run(model, weights, **settings)
    except (InputError, OSError) as error:
        raise click.ClickException(str(error)) from error


@main.command()
@_request_options
def check(model: str, weights: str | None, **settings: Any) -> None:
    """Print what explaining a model on DATA would assume; exit with 1 where it is refused."""
    from salience.cli.explain import run_check

    try:
        held = run_check(model, weights, **settings)
    except (InputError, OSError) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if held else 1)


def _json(record: PluginRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "distribution": record.distribution,
        "version": record.version,
        "parts": dict(record.parts),
        "status": "error" if record.error else "ok",
        "error": record.error,
    }


def _print(record: PluginRecord) -> None:
    status = click.style("error", fg="red") if record.error else click.style("ok", fg="green")
    click.echo(f"{record.name}  {record.distribution} {record.version}  {status}")
    for kind, names in record.parts.items():
        click.echo(f"  {kind}: {', '.join(names)}")
    if record.error:
        click.echo(f"  {record.error}")
