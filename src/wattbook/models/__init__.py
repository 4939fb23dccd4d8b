"""Forecasting models; the only ones who know scikit-learn, statsforecast and Prophet."""

from importlib.util import find_spec


def installed(package: str) -> bool:
    """Whether a package of the extra `forecast` is there."""
    return find_spec(package) is not None
