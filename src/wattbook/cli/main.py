"""The way in: `wattbook …`."""

from wattbook.cli.commands import app


def main() -> None:
    """Run the command that was given."""
    app(prog_name="wattbook")
