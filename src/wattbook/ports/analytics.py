"""What any figure of a site is read from."""

from typing import Protocol

from wattbook.ports.clock import Clock
from wattbook.ports.grid import GridStore
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import RollupStore


class FigurePorts(Protocol):
    """Sites, readings, their rollups, the grid, and the time at which they are asked."""

    @property
    def registry(self) -> Registry: ...
    @property
    def readings(self) -> ReadingStore: ...
    @property
    def rollups(self) -> RollupStore: ...
    @property
    def grid(self) -> GridStore: ...
    @property
    def clock(self) -> Clock: ...
