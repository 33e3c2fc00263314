"""The command line. Loads nothing but click until a command is invoked."""

from flakediag.cli.app import main

__all__ = ["main"]
