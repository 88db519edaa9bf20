"""Layers say themselves what the analysis of a network needs to know of them."""

import warnings

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from lpie import build_model  # noqa: E402
from lpie.models import NETWORKS  # noqa: E402
from lpie.models.graph.analysis import analyse  # noqa: E402
from lpie.models.graph.facts import LayerFacts, facts_of  # noqa: E402
from lpie.models.graph.keras_layers import KERAS_LAYERS  # noqa: E402

SMALL = {
    "nafnet": {"width": 8, "encoder_blocks": (1,), "middle_blocks": 1, "decoder_blocks": (1,)},
    "nafftnet": {"width": 8, "encoder_blocks": (1,), "middle_blocks": 1, "decoder_blocks": (1,)},
    "mirnet": {"features": 8, "groups": 1, "blocks": 1},
}


class Shifted(keras.layers.Layer):
    """A layer of somebody else, which looks two pixels to the left."""

    def call(self, x):
        return keras.ops.roll(x, 2, axis=2)

    def compute_output_shape(self, input_shape):
        return input_shape


class Described(Shifted):
    facts = LayerFacts(
        reach=lambda layer, source: source.wider(2, 0),
        macs=lambda layer, inputs, output: int(np.prod(output)),
    )


def network(layer):
    image = keras.Input((None, None, 3))
    return keras.Model(image, layer(image), name="theirs")


@pytest.mark.parametrize(
    ("name", "variant"),
    [(name, variant) for name, net in NETWORKS.items() for variant in ({}, *net.variants)],
)
def test_every_layer_of_every_network_is_known(name, variant):
    model = build_model(name, **{**SMALL.get(name, {}), **variant})
    assert not [layer.name for layer in model.layers if facts_of(layer) is None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        analyse(model)


def test_an_unknown_layer_is_named_and_taken_for_one_that_sees_all():
    with pytest.warns(UserWarning, match=r"This layer's reach is unknown: far \(Shi"):
        analysis = analyse(network(Shifted(name="far")))
    assert analysis.halo_px is None
    assert analysis.receptive_field_px is None
    assert not analysis.scalable


def test_a_layer_of_somebody_else_may_have_facts():
    analysis = analyse(network(Described()))
    assert analysis.halo_px == 2
    assert analysis.receptive_field_px == 3
    assert analysis.macs_per_pixel == 3


def test_a_subclass_of_a_keras_layer_is_not_taken_for_it():
    class Other(keras.layers.Conv2D):
        pass

    assert facts_of(keras.layers.Conv2D(3, 3)) is KERAS_LAYERS[keras.layers.Conv2D]
    assert facts_of(Other(3, 3)) is None
