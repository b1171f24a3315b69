"""Maps of a bundle: the heads of a ViT, or the strongest prototypes of a ResNet."""

import numpy as np
import pytest
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.model.attention_source import attention_source, strongest
from copysight.model.embedder import Embedder


def test_a_vit_shows_its_attention_heads(tiny_bundle, drawn):
    embedder = Embedder(tiny_bundle)
    source = attention_source(embedder, drawn(0))
    assert source.names == ("head 0", "head 1")
    assert (source.maps(drawn(1)) == embedder.attention_maps([drawn(1)])[0]).all()
    assert (
        attention_source(embedder, drawn(0), 1).maps(drawn(1))[0] == embedder.attention_maps([drawn(1)])[0, 1]
    ).all()
    with pytest.raises(InvalidArgument, match="2 heads, counted from 0"):
        attention_source(embedder, drawn(0), 2)


def test_a_resnet_shows_the_strongest_prototypes_of_the_first_picture(resnet_bundle, drawn):
    embedder = Embedder(resnet_bundle)
    source = attention_source(embedder, drawn(0))
    first = embedder.prototype_maps([drawn(0)])[0]
    assert first.shape == (12, 2, 2)
    assert source.numbers[0] == first.sum(axis=(1, 2)).argmax()
    assert len(set(source.numbers)) == 6
    maps, logits = source.maps(drawn(3)), embedder.prototype_maps([drawn(3)])[0]
    for found, number in zip(maps, source.numbers, strict=True):
        assert found.min() == 0
        assert np.allclose(found, logits[number] - logits[number].min())


def test_strongest_is_measured_over_the_whole_picture():
    activations = np.zeros((3, 2, 2), np.float32)
    activations[1], activations[2, 0, 0] = 0.3, 0.9
    assert strongest(activations, 2) == [1, 2]


def test_crop_is_the_part_that_the_maps_cover(tiny_bundle):
    whole = Image.new("RGB", (80, 60))
    assert attention_source(Embedder(tiny_bundle), whole).crop(whole).size == (80, 60)
