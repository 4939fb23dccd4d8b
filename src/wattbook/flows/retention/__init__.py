"""Clean-ups: what is to go, how it is removed, and what a job reports of it."""

from wattbook.flows.retention.clean_up import Cleaner
from wattbook.flows.retention.plan import CleanUpResult, Order
from wattbook.flows.retention.summary import result

__all__ = ["CleanUpResult", "Cleaner", "Order", "result"]
