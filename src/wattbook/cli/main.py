"""The way in: `wattbook …`."""

from wattbook.cli.commands import analytics, data, jobs, service, sites
from wattbook.cli.commands.app import app

__all__ = ["analytics", "app", "data", "jobs", "main", "service", "sites"]


def main() -> None:
    """Run the command that was given."""
    app(prog_name="wattbook")
