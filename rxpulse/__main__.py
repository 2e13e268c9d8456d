"""`python -m rxpulse` is the command `rxpulse`."""

from rxpulse.cli import main

main(prog_name="rxpulse")
