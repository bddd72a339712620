"""Import what registers measures and rivals of each kind of data."""

from sparring.measure.kinds import series_measures
from sparring.measure.rivals import series_rivals

__all__ = ["series_measures", "series_rivals"]
