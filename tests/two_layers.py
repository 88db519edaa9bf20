"""A network for tests that start many processes, in which LPIENet would compile for a minute.

`python -m tests.two_layers` is the command line of lpie with `model.name = "two_layers"`.
"""

import keras

from lpie.models import NETWORKS, Network


def two_layers():
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = keras.layers.Conv2D(3, 3, padding="same", name="residual")(x)
    return keras.Model(image, keras.layers.Add()([image, x]))


NETWORKS["two_layers"] = Network("tests.two_layers:two_layers", "", residual=("residual",))

if __name__ == "__main__":
    from lpie.cli.main import main

    main()
