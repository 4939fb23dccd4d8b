"""Forecasting models; the only ones who know scikit-learn, statsforecast and Prophet."""

from importlib.util import find_spec


def installed(package: str) -> bool:
    """Whether a package is installed: an installation can be damaged, or made without it."""
    return find_spec(package) is not None
