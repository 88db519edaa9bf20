"""What the tensors of a `.tflite` are about, by their names."""

import re

from lpie.tflite.model import Op

# What converters call the results of a whole network.
_RESULTS = re.compile(r"(Stateful)?PartitionedCall|Identity|output")
# And constants whose origin they have lost.
_NAMELESS = re.compile(r"tfl\.|arith\.|tf\.")


def layer_of(name: str) -> str:
    """The layer of the network that a TFLite tensor's name is about; the name itself where it
    tells of no layer."""
    # functional_1/nafnet_1/LAYER_1/op: the outer network and ours come first, and each name ends in
    # the number of its call.
    whole = name.split(";")[0].split(":")[0]
    parts = whole.split("/")
    if len(parts) == 1:
        return "output" if not whole or _RESULTS.match(whole) else whole
    return re.sub(r"_\d+$", "", parts[2] if len(parts) > 3 else parts[-1])


def layer_of_op(op: Op) -> str:
    """The layer of the network that an op belongs to, "" where nothing tells.

    By its weights where they have a name: a result may be called after the activation behind it.
    """
    results = [tensor.name for tensor in op.outputs]
    weights = [tensor.name for tensor in op.stored_inputs if "/" in tensor.name]
    named = [name for name in (*weights, *results) if not _NAMELESS.match(name)]
    return layer_of(named[0]) if named else ""
