"""The program ``ecosystem`` and its commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from ecosystem.cli import gallery
from ecosystem.cli.compare import compare
from ecosystem.cli.decide import decide
from ecosystem.cli.describe import describe
from ecosystem.cli.errors import complain
from ecosystem.cli.explore import explore
from ecosystem.cli.fit import fit
from ecosystem.cli.influence import influence
from ecosystem.cli.posterior import posterior
from ecosystem.cli.report import report
from ecosystem.cli.run import run
from ecosystem.cli.study import failures, status, study
from ecosystem.core.outputs import Outputs
from ecosystem.core.version import VERSION

app = typer.Typer(
    name="ecosystem",
    help="Ecosystems of generative models that train on each other's curated output.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (run, describe, influence, compare, decide, fit, posterior, explore, study, status, failures, report):
    app.command()(command)
app.add_typer(gallery.program, name="gallery")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console entry: run the command, with usage errors too in one line and exit code 2."""
    outputs = Outputs()
    try:
        code = app(args=arguments, prog_name="ecosystem", standalone_mode=False)
    except typer.TyperException as error:  # an unknown command or option, a value of the wrong type
        code = complain(f"{error.format_message()} (see `ecosystem --help`)")
    trouble = outputs.trouble()
    if trouble is not None and not code:
        code = complain(f"not all of the output could be written: {trouble.strerror}")
    sys.exit(code)


@app.callback()
def _program(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"mesacosm {VERSION}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
