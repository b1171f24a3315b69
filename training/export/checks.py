"""Check a network before its export, and the exported graphs against torch."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from copysight.errors import ExportFailed
from copysight.model.bundle import Bundle, Numerics
from copysight.model.embedder import Embedder
from copysight.pictures.preprocess import in_words, to_batch
from training.export.network import Network
from training.networks.input_sizes import ERRORS
from training.networks.timm_networks import first_line

Float = npt.NDArray[np.float32]
MAX_DIFFERENCE = 1e-4
MIN_COSINE = 0.99999
HALF_DIFFERENCE, HALF_COSINE = 1e-2, 0.9999
"""Limits for weights in half precision, which changes them by up to 2^-11; whitening amplifies that."""


def check_network(network: Network) -> None:
    """Raise ``ExportFailed`` if weights or outputs are not finite, or if the network does not take its input size."""
    state = {name: value for name, value in network.graph.state_dict().items() if value.is_floating_point()}
    bad = [name for name, value in state.items() if not bool(value.isfinite().all())]
    if bad:
        raise ExportFailed(
            f"the weights of {network.name} are not finite ({len(bad)} of {len(state)} tensors, such as {bad[0]}); its "
            "training diverged: train again with a lower --lr, or export an earlier checkpoint"
        )
    for name, output in outputs(network).items():
        if not bool(output.isfinite().all()):
            raise ExportFailed(
                f"{network.name} gives {name} with NaN or infinity for ordinary pictures, though its weights are "
                "finite; train again with a lower --lr, or export an earlier checkpoint"
            )


def outputs(network: Network) -> dict[str, Tensor]:
    """The outputs of a network for two pictures, by name. Raises ``ExportFailed`` if it does not take them."""
    pictures = torch.from_numpy(to_batch([synthetic_picture(0), synthetic_picture(1)], network.preprocess))
    try:
        with torch.inference_mode():
            found = network.graph(pictures)
    except ERRORS as error:
        raise ExportFailed(
            f"{network.backbone} does not take pictures of {in_words(network.preprocess.size)} px "
            f"({first_line(error)}); choose another --size"
        ) from error
    return dict(zip(network.outputs, found, strict=True))


def shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Shape of each output, without the axis of the batch."""
    return {name: tuple(output.shape[1:]) for name, output in outputs(network).items()}


def check_numerics(measured: Numerics, largest: float, cosine: float) -> dict[str, float]:
    """The measured agreement as data. Raises ``ExportFailed`` if it is outside of the limits, or not a number."""
    # Not the opposite comparison: NaN is neither larger nor smaller.
    if not (measured.largest_difference <= largest and measured.cosine >= cosine):
        raise ExportFailed(
            f"the exported graph differs from torch by {measured.largest_difference:.2e} (allowed: {largest}) and has "
            f"a cosine of {measured.cosine:.6f} to it (needed: {cosine}); nothing was written"
        )
    return numerics_json(measured.largest_difference, measured.cosine)


def compare(bundle: Bundle, graphs: Mapping[str, Network]) -> Numerics:
    """Largest absolute difference of all outputs and smallest cosine of the embeddings, between Embedder and torch."""
    embedder, pictures = Embedder(bundle), [synthetic_picture(seed) for seed in range(6)]
    largest, cosine = 0.0, 1.0
    for key, network in graphs.items():
        with torch.inference_mode():
            expected = network.graph(torch.from_numpy(to_batch(pictures, network.preprocess)))
        names = bundle.graphs[key].outputs
        inputs = [embedder.prepare(picture, names) for picture in pictures]
        features = embedder.run(inputs, names)
        for output, tensor in zip(network.outputs, expected, strict=True):
            if output in names:
                got: Float = getattr(features, output)
                # In this order a NaN stays: `max` and `min` return their first argument if the other is NaN.
                largest = max(float(np.abs(got - tensor.numpy()).max()), largest)
                if output == "embedding":
                    cosine = min(smallest_cosine(got, tensor.numpy()), cosine)
    return Numerics(largest, cosine)


def smallest_cosine(one: Float, other: Float) -> float:
    """Smallest cosine of the rows of two arrays (B, D); NaN for a row of zeros.

    Rows are divided by their length: features near 1e-20 have squares that underflow, and are only nearly normalised.
    """
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(((one * other).sum(axis=1) / lengths).min())


def numerics_json(largest: float, cosine: float) -> dict[str, float]:
    """The agreement as ``bundle.json`` has it."""
    return {"largest_difference": largest, "cosine": cosine}


def synthetic_picture(seed: int) -> Image.Image:
    """A smooth random picture; white noise would not represent real pictures."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5 + seed, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)
