"""What the HMA paths need besides the service: the PDQ hashes of lists. Created at the start if ``hma`` is set."""

from dataclasses import dataclass

from copysight.errors import InvalidArgument
from copysight.matching import pdq
from service.hma.pdq_index import PdqIndex
from service.hma.signals import PDQ, encode
from service.intake.url_fetch import PictureSource
from service.queries import inference
from service.queries.inference import PictureFeatures
from service.runtime import threads
from service.state import State


@dataclass(frozen=True)
class Facade:
    """The service, and the PDQ hashes of its lists."""

    state: State
    pdq: PdqIndex

    async def hashes(self, features: PictureFeatures, kinds: tuple[str, ...]) -> dict[str, str]:
        """The signals of a picture by type. A picture that is too plain for PDQ has an empty one, as in HMA."""
        bundle = self.state.index.snapshot().bundle
        found = {kind: encode(features.vector, bundle) for kind in kinds if kind != PDQ}
        if PDQ in kinds:
            found[PDQ] = await threads.run(self.state.searchers, _pdq, self.state, features.data)
        return {kind: found[kind] for kind in kinds}

    async def features(self, data: PictureSource) -> PictureFeatures:
        """The model's output for one picture. Raises its ``PictureError``."""
        context = await self.state.query_context()
        return await inference.infer_one(self.state, context.embedder, data, ("embedding",))


def check(hma: bool) -> None:
    """Raise ``InvalidArgument`` if the HMA paths are wanted and PDQ is not installed."""
    if hma and not pdq.is_installed():
        raise InvalidArgument(
            "got COPYSIGHT_HMA=true, and the package pdqhash is not installed; run pip install 'copysight[hma]'"
        )


def create(state: State) -> Facade:
    """The facade of a service."""
    return Facade(state, PdqIndex(state.index.catalog.hashes, state.index.blobs, lambda data: _pdq(state, data)))


def _pdq(state: State, data: bytes) -> str:
    """The PDQ hash of a file, decoded at its full size: a smaller one differs in some bits. Raises ``PictureError``."""
    return pdq.pdq(state.decoder.decode(data).pixels)
