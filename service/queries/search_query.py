"""A query of a search: the vectors of a picture or of a stored item, and which items are equal to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.catalog import Item
from copysight.errors import PictureError
from copysight.index import Hit, Query
from copysight.index.find_copies import Shared
from copysight.matching import verification
from copysight.matching.verification import Prepared
from copysight.pictures.decode import decode
from copysight.scoring.judge import SAME_PICTURE
from copysight.scoring.query_views import QueryView
from service.queries.inference import PictureFeatures
from service.state import State

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class QueryFile:
    """What is known of a file without reading it: its sha256 and the sides of its upright picture in pixels."""

    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class SearchQuery:
    """A query: vectors (V, D) of the query ``views`` (V,) of a ``picture``; or one vector (1, D) without a picture.

    ``stored``: the item that the vector belongs to, if it is one of the collection.
    """

    vectors: Float
    views: Sequence[QueryView] = ()
    picture: PictureFeatures | None = None
    stored: Item | None = None

    @classmethod
    def of(cls, picture: PictureFeatures) -> Self:
        """A picture with all its query views."""
        return cls(picture.vectors, picture.views, picture)

    @property
    def file(self) -> "QueryFile | None":
        """The file that was searched for; None for a vector."""
        if self.picture is not None:
            return QueryFile(self.picture.sha256, self.picture.picture.width, self.picture.picture.height)
        return None if self.stored is None else QueryFile(self.stored.sha256, self.stored.width, self.stored.height)

    def data(self, state: State) -> bytes | None:
        """The bytes of that file; None if the collection does not have the original of a stored item."""
        if self.picture is not None:
            return self.picture.data
        return None if self.stored is None else state.index.blobs.original(self.stored.sha256, self.stored.source)

    def asked(self, state: State) -> Query:
        """The query for the index."""
        return Query(
            self.vectors,
            self.views,
            partial(self.pixels, state),
            partial(self.prepare, state),
            partial(_is_equal, state, self),
            self._shared,
        )

    def pixels(self, state: State) -> Image.Image | None:
        """The picture (RGB), of a stored item its thumbnail; None for a vector, or without a thumbnail."""
        if self.picture is not None:
            return self.picture.picture.pixels
        data = None if self.stored is None else state.index.blobs.thumbnail(self.stored.sha256)
        return None if data is None else decode(data).pixels

    def prepare(self, state: State) -> Prepared | None:
        """The picture for verification; None for a vector, or if the thumbnail of a stored item is missing."""
        if self.picture is not None:
            return self._prepared
        return None if self.stored is None else state.index.features.get(self.stored.sha256)

    @cached_property
    def _shared(self) -> Shared:
        return Shared()

    @cached_property
    def _prepared(self) -> Prepared | None:
        """The picture for verification. Both the search and that of the lists need it, and it takes 20 ms."""
        return None if self.picture is None else verification.prepare(self.picture.picture.pixels)


def _is_equal(state: State, query: SearchQuery, hit: Hit, found: Item) -> bool:
    file = query.file
    return file is not None and (file.sha256 == found.sha256 or _same_pixels(state, hit, found, query, file))


def _same_pixels(state: State, hit: Hit, found: Item, query: SearchQuery, file: QueryFile) -> bool:
    if hit.similarity < SAME_PICTURE or hit.view or (file.width, file.height) != (found.width, found.height):
        return False
    original = state.index.blobs.original(found.sha256, found.source)
    data = None if original is None else query.data(state)
    return original is not None and data is not None and same_pixels(data, original, state)


def same_pixels(one: bytes, other: bytes, state: State) -> bool:
    """Whether two files show exactly the same: pixels, alpha and frames."""
    try:
        first, second = (state.decoder.digest(data) for data in (one, other))
    except PictureError:
        return False
    return first is not None and first == second
