"""Fields that several bodies share."""

from typing import Annotated

from pydantic import Field

# Numbers are finite, and text or `true` is none.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Id = Annotated[
    str, Field(min_length=1, max_length=64, description="a slug: `[a-z0-9][a-z0-9._-]{0,63}`")
]
