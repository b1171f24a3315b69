"""Run the ``copysight`` command as ``python -m cli``, the form that torchrun needs."""

from cli.main import main

main(prog_name="copysight")
