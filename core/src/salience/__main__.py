"""The command line of ``python -m salience``."""

from salience.cli import main

main(prog_name="salience")
