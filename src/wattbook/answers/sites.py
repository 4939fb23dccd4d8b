"""Sites and what stands on them: the documents of `/sites`."""

from collections.abc import Iterable
from typing import Any

from wattbook.core.registry.entities import Site
from wattbook.schemas.site_answers import SiteOut

Document = dict[str, Any]


def site(found: Site) -> Document:
    """A site with everything on it."""
    return SiteOut.of(found).model_dump(mode="json")


def page(found: Iterable[Site]) -> Document:
    """All sites on one page."""
    return {"sites": [site(each) for each in found], "cursor": None}


def tariffs_of(found: Site) -> list[Document]:
    """What a site pays by."""
    tariffs: list[Document] = site(found)["tariffs"]
    return tariffs
