"""The commands: `explain`, `check`, `show`, `run`, `plugins` and others; `new` has a module."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from salience.cli.options import (
    DATA,
    DATA_AGAIN,
    METHOD,
    MODEL,
    OUTPUTS,
    PICTURES,
    Command,
    Group,
)
from salience.cli.plugins.new import new
from salience.errors import InputError


@click.group(cls=Group)
@click.version_option(package_name="salience")
def main() -> None:
    """Saliency with error bars for PyTorch models, from files to pictures and a report.

    `salience COMMAND --help` has the options and more examples of a command. The parts that options
    name (domains, calculators, samplers, aggregators, visualizers) are those of `salience plugins`.
    A part takes settings as in 'gaussian:scale=0.15', and lists as in 'tabular:categorical=[a,b]'.
    """


@main.command(cls=Command, short_help="List plugins and their parts, or check them.")
@click.argument("name", required=False)
@click.option("--check", is_flag=True, help="Import every part and say which cannot be used.")
@click.option("--time", "timed", is_flag=True, help="Print how long loading takes, slowest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plugins(**options: Any) -> None:
    """List the installed plugins, or the one called NAME, and their parts.

    The exit status is 1 where a plugin is left out because of an error, or, with --check, where a
    part cannot be used. SALIENCE_PLUGINS=tabular,vision lets only these plugins be loaded, and
    SALIENCE_PLUGINS=none only the parts of salience itself.
    """
    from salience.cli.plugins.listing import list_plugins

    sys.exit(0 if _work(list_plugins, options) else 1)


@main.command(cls=Command, short_help="Print what a report of a fault needs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(**options: Any) -> None:
    """Print versions, devices, threads, plugins and settings, to be added to a report of a fault.

    Of the environment, only variables that change what salience and torch do are printed.
    """
    from salience.cli.plugins.doctor import examine

    _work(examine, options)


@main.command(
    cls=Command,
    needs=("domain", "model", "data", "out"),
    short_help="Explain a model on data; save, draw, report.",
)
@METHOD
@DATA
@OUTPUTS
def explain(**options: Any) -> None:
    """Explain a model on DATA; save the result, draw it, and write a table or a report of it.

    DATA are files, folders (of which the files are taken that the domain reads), patterns such as
    'photos/*.jpg', SMILES, or one module:name of a Dataset, a DataLoader, a list, an array, or a
    function that returns one. Modules are found in the working folder. The folder --out gets
    run.salience, a picture of each item, named by its id, and mean.png where items share positions.
    """
    # Imported here, so that `salience plugins` does not import torch.
    from salience.cli.explain import run

    _work(run, options)


@main.command(
    cls=Command,
    needs=("domain", "model", "data"),
    short_help="Print what is assumed of a model.",
)
@METHOD
@DATA
def check(**options: Any) -> None:
    """Print what explaining a model on DATA would assume; exit with 1 where it is refused."""
    from salience.cli.explain import run_check

    sys.exit(0 if _work(run_check, options) else 1)


@main.command(cls=Command, needs=("run",), short_help="Draw a saved run again.")
@click.argument("run", required=False)
@click.option("--item", multiple=True, help="An id or a position; may be given several times.")
@PICTURES
@click.option("--out", type=click.Path(), help="Folder; RUN_pictures beside the run if not given.")
def show(**options: Any) -> None:
    """Draw a saved RUN again, without the model."""
    from salience.cli.saved import show

    _work(show, options)


@main.command(
    cls=Command,
    needs=("run", "model", "data", "out"),
    short_help="Compute a saved run again.",
)
@click.argument("run", required=False)
@MODEL
@DATA_AGAIN
@OUTPUTS
def rerun(**options: Any) -> None:
    """Compute a saved RUN again from its record, of a model on DATA.

    The record says the domain, target, output, parts, draws and seed. Files that it names are
    opened, so run records that you trust.
    """
    from salience.cli.explain import run_again

    _work(run_again, options)


@main.command(
    cls=Command, needs=("runs", "out"), short_help="Write saved runs as one page to send on."
)
@click.argument("runs", nargs=-1)
@click.option("--out", type=click.Path(), help="The HTML file. [required]")
@click.option("--title", default="", help="Heading of the page.")
def report(**options: Any) -> None:
    """Write saved RUNS of the same items as one page to send on, which switches between them.

    A run is called by its folder, or as in name=path.
    """
    from salience.cli.saved import write_report

    _work(write_report, options)


@main.command(cls=Command, name="run", short_help="Explain a data set as a config says.")
@click.argument("config", required=False)
@click.option("--init", is_flag=True, help="Print a config to edit, with all parts.")
@click.option("--domain", help="Kind of data of that config.")
@click.option("--stripe", metavar="RANK/WORLD", help="Which of the programs that share the run.")
@click.option("--progress/--no-progress", default=None, help="Default: in a terminal.")
def run_dataset(
    config: str | None, init: bool, domain: str | None, stripe: str | None, progress: bool | None
) -> None:
    """Explain the data set of CONFIG, a TOML file, unit by unit; a run that was stopped goes on.

    A config names code (the model, data, parts), and running a config is running that code: run
    only configs that you trust.
    """
    from salience.cli.dataset import print_config, run_config

    if init == (config is not None):
        raise click.UsageError("pass either CONFIG, or --init with --domain")
    if init:
        _work(print_config, {"domain": domain})
    else:
        _work(run_config, {"config": config, "progress": progress, "stripe": stripe})


@main.command(cls=Command, needs=("folder",), short_help="Print what a run over a data set has.")
@click.argument("folder", required=False)
@click.option("--to-csv", "table", type=click.Path(), help="Also write a table of all items.")
def results(**options: Any) -> None:
    """Print how far the run in FOLDER is, which items failed, and the importance of positions."""
    from salience.cli.dataset import print_results

    _work(print_results, options)


main.add_command(new)


def _work(work: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Do the work of a command, whose refusals, and errors of the user's modules, are a line."""
    try:
        return work(**options)
    except BrokenPipeError:
        raise  # what reads the output, such as `head`, has enough; click ends without a word
    except (InputError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except Exception as error:
        from salience.runs.loading import sentence_of

        if (sentence := sentence_of(error)) is None:
            raise
        raise click.ClickException(sentence) from error
