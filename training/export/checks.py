"""Check a network before its export, and the exported graphs against torch."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from copysight.errors import ExportFailed
from copysight.model.bundle import Bundle, Numerics
from copysight.model.embedder import Embedder
from copysight.pictures.preprocess import in_words, to_batch
from training.export.network import Network
from training.export.numerics import smallest_cosine, synthetic_picture
from training.networks.finite import not_finite
from training.networks.input_sizes import ERRORS
from training.networks.timm_networks import first_line

Float = npt.NDArray[np.float32]


def check_network(network: Network) -> None:
    """Raise ``ExportFailed`` if weights or outputs are not finite, or if the network does not take its input size."""
    state = network.graph.state_dict()
    if bad := not_finite(state):
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


def compare(bundle: Bundle, graphs: Mapping[str, Network]) -> Numerics:
    """Largest absolute difference of all outputs and smallest cosine of the embeddings, between Embedder and torch.

    An output is that of the graph from which the bundle takes it.
    """
    embedder, pictures = Embedder(bundle), [synthetic_picture(seed) for seed in range(6)]
    largest, cosine = 0.0, 1.0
    for key, network in graphs.items():
        with torch.inference_mode():
            expected = network.graph(torch.from_numpy(to_batch(pictures, network.preprocess)))
        names = [output for output in network.outputs if bundle.graph_of(output) == key]
        if not names:
            continue
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
