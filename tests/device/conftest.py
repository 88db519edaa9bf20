"""What the tests with phones share."""

import pytest

from tests.device import phones


@pytest.fixture(scope="module")
def network():
    """A network for phones, without any yet."""
    network = phones.Network()
    yield network
    network.close()
