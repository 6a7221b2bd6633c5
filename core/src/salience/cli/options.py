"""Options that commands share, and commands that tell all that is missing or unknown at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

import click

from salience.cli.examples import EXAMPLES
from salience.errors import LONGEST, one_line, shortened

# Characters of a message of click's, to which it adds the name of the option.
_SAID = 240

Decorator = Callable[[Any], Any]


class Group(click.Group):
    """Commands whose mistakes are told in a short line, those that click finds as well."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples at the end of the page of help."""
        _write_examples(formatter, "")

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; see :meth:`click.Group.invoke`."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            of_click = isinstance(error, click.UsageError)
            error.message = one_line(error.message, _SAID if of_click else LONGEST)  # type: ignore[misc]
            raise


class Command(click.Command):
    """A command whose missing and unknown options are told in one sentence.

    Args:
        needs: Names of the parameters that must be given.
    """

    def __init__(self, *args: Any, needs: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._needs = needs

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; see :meth:`click.Command.parse_args`.

        Raises:
            click.UsageError: Options are unknown or missing.
        """
        faults: list[str] = []
        rest: list[str] | None = list(args)
        found = args
        while rest is not None:
            try:
                found = super().parse_args(ctx, list(rest))
                break
            except click.NoSuchOption as error:
                faults.append(_unknown(error.option_name, self.params))
                if (shorter := _without(rest, error.option_name)) == rest:
                    raise
                rest = shorter
            except click.UsageError as error:
                if not faults:
                    raise
                faults.append(error.format_message().rstrip("."))
                rest = None  # it is not known which options were given
        missing = [] if rest is None else self._missing(ctx, options_only=bool(faults))
        if missing and not ctx.resilient_parsing:
            faults.append(f"missing: {', '.join(missing)}")
        if faults:
            raise click.UsageError(one_line("; ".join(faults), _SAID), ctx)
        return found

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples of the command at the end of its page of help."""
        _write_examples(formatter, self.name or "")

    def _missing(self, ctx: click.Context, *, options_only: bool) -> list[str]:
        """What was not given.

        Args:
            ctx: The context, with what was given.
            options_only: Whether to leave arguments out, which may have been taken for the values
                of unknown options.
        """
        found = []
        for parameter in self.params:
            if parameter.name not in self._needs or ctx.params.get(parameter.name):
                continue
            if isinstance(parameter, click.Option):
                found.append(parameter.opts[-1])
            elif not options_only:
                found.append(parameter.human_readable_name)
        return found


def _write_examples(formatter: click.HelpFormatter, command: str) -> None:
    with formatter.section("Examples"):
        for line in EXAMPLES[command].strip().split("\n"):
            formatter.write(f"  {line}\n")


def _unknown(option: str, parameters: Sequence[click.Parameter]) -> str:
    known = [name for parameter in parameters for name in parameter.opts if name.startswith("-")]
    near = get_close_matches(option[:100], known, 1)
    return f"no such option {shortened(one_line(option, None), 60)}" + (
        f" (did you mean {near[0]}?)" if near else ""
    )


def _without(args: list[str], option: str) -> list[str]:
    """The arguments without the first use of an option, whose value goes with it."""
    for at, text in enumerate(args):
        if text == option or text.startswith(f"{option}="):
            value = text == option and at + 1 < len(args) and not args[at + 1].startswith("-")
            return args[:at] + args[at + 1 + value :]
        if text.startswith(option) and not text.startswith("--"):  # letters of one sign: -xyz
            return args[:at] + args[at + 1 :]
    return args


def applied(*options: Decorator) -> Decorator:
    """A decorator that gives a command several options, shown in this order."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


#: The model, and where it runs.
MODEL = applied(
    click.option(
        "--model", help="module:factory that makes the model, or module:model. [required]"
    ),
    click.option("--weights", type=click.Path(), help="State dict as .safetensors or .pt."),
    click.option("--device", help="Where to run, e.g. cuda."),
    click.option("--max-rows", default="auto", show_default=True, help="Rows in a forward pass."),
)
#: What is explained, and by what method.
METHOD = applied(
    click.option("--domain", help="Kind of data: vision, tabular, molgraph … [required]"),
    MODEL,
    click.option(
        "--target",
        multiple=True,
        help="Target variable: input, a module's path, or path:axes=item,atom,unit with at=input, "
        "call=1, index=0; may be given several times.",
    ),
    click.option("--output", help="Output variable: predicted, class:3, cross_entropy, value."),
    click.option("--calculator", default="gradient", show_default=True, help="Name, or name:a=1."),
    click.option("--sampler", "samplers", multiple=True, help="May be given several times."),
    click.option(
        "--n-samples",
        default="1",
        show_default=True,
        help="Draws per item: 30; 8,16 (parameters, noise for each); until:rel_error=0.05,max=512.",
    ),
    click.option("--aggregator", default="raw", show_default=True, help="Name, or name:a=1."),
    click.option("--seed", default=0, show_default=True, help="Seed of all draws."),
)
#: The data, and how its domain reads it.
DATA = applied(
    click.option("--ids", type=click.Path(), help="Text file with an id a line; ids key draws."),
    click.option("--id-column", help="Column of a table that names its rows or molecules."),
    click.option("--transform", help="module:function from a photo to a tensor (vision)."),
    click.option("--class-names", help="Text file with a name a line, or module:list."),
    click.option(
        "--on-error",
        type=click.Choice(("raise", "skip")),
        help="Refuse broken inputs, or leave them out and name each.",
    ),
    click.argument("data", nargs=-1),
)
#: Data of a run that is repeated, whose record says the rest.
DATA_AGAIN = applied(
    click.option("--transform", help="module:function, where the run had one of yours (vision)."),
    click.option("--class-names", help="Text file with a name a line, or module:list."),
    click.argument("data", nargs=-1),
)
#: How pictures are drawn.
PICTURES = applied(
    click.option("--visualizer", help="The domain's own if not given."),
    click.option(
        "--items",
        type=click.IntRange(min=0),
        default=16,
        show_default=True,
        help="Draw at most so many items.",
    ),
    click.option("--format", "suffix", default="png", show_default=True, help="Of the pictures."),
    click.option("--overwrite", is_flag=True, help="Replace the folder of another run."),
)
#: What is written.
OUTPUTS = applied(
    PICTURES,
    click.option("--export", type=click.Path(), help="Also a table: .csv, .parquet or .npy."),
    click.option("--report", type=click.Path(), help="Also a report: .html, a page to send on."),
    click.option("--progress/--no-progress", default=None, help="Default: in a terminal."),
    click.option("--out", type=click.Path(), help="Folder to write to. [required]"),
)
