"""The only import of Keras: chooses an installed backend before Keras is first imported."""

import importlib.util
import os
from typing import Any, TypeAlias

from lpie.errors import InputError
from lpie.system.quiet import quiet

if importlib.util.find_spec("keras") is None:
    raise InputError(
        "This needs Keras, which is not installed. "
        "Run: pip install 'lpie[train]' (TensorFlow) or 'lpie[jax]'."
    )
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Many GPU machines have only JAX; Keras itself would insist on TensorFlow.
if importlib.util.find_spec("tensorflow") is None:
    os.environ.setdefault("KERAS_BACKEND", "jax")

with quiet():  # TensorFlow prints libraries and CPU features before its log level applies
    import keras

# What layers take and return: symbolic, NumPy's or the backend's. Keras has no one type for that.
Tensor: TypeAlias = Any

__all__ = ["Tensor", "keras"]
