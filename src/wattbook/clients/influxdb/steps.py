"""Going through a long span of time in answers that are neither long nor many."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from wattbook.core.units import US_PER_SECOND

WANTED_BYTES: Final = 16 << 20
"""About so much CSV is asked for at once: some 100,000 readings."""
GROWTH: Final = 4
"""A span is at most so many times as long as the one before; an answer that is so many times as
long as wanted is given up, and a shorter span asked for."""
MIN_STEP_US: Final = US_PER_SECOND
"""A span that cannot be cut further is taken however long its answer is."""


class TooLongError(Exception):
    """An answer has more bytes than were wanted."""


Ask = Callable[[int, int, int | None], Awaitable[bytes]]
"""The answer for a span [µs since 1970), of at most so many bytes."""


async def steps(
    ask: Ask,
    from_us: int,
    until_us: int,
    first_us: int,
    *,
    wanted: int = WANTED_BYTES,
    border: Callable[[int], int] | None = None,
) -> AsyncGenerator[tuple[int, int, bytes], None]:
    """Answers for spans that follow each other until all of [from, until) is covered.

    The first span has the length `first_us`; each of the others is as long as the answer before
    it promises to fill `wanted` bytes. None reaches beyond the `border` that follows its begin.
    """
    step, begin = max(first_us, MIN_STEP_US), from_us
    while begin < until_us:
        end = min(until_us, begin + step)
        if border is not None:
            end = min(end, border(begin))
        try:
            answer = await ask(begin, end, None if step <= MIN_STEP_US else GROWTH * wanted)
        except TooLongError:
            step = max((end - begin) // GROWTH**2, MIN_STEP_US)
            continue
        yield begin, end, answer
        fitting = (end - begin) * wanted // max(len(answer), 1)
        step = max(min(fitting, step * GROWTH), step // GROWTH, MIN_STEP_US)
        begin = end
