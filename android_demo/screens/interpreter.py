"""Runs the model argv[1]: one float32 image after the other from stdin, its output to stdout."""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

out = sys.stdout.buffer
interpreter = Interpreter(model_path=sys.argv[1], num_threads=2)
interpreter.allocate_tensors()
(source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
size = 4 * int(np.prod(source["shape"]))
while len(data := sys.stdin.buffer.read(size)) == size:
    interpreter.set_tensor(
        source["index"], np.frombuffer(data, np.float32).reshape(source["shape"])
    )
    interpreter.invoke()
    out.write(interpreter.get_tensor(result["index"]).tobytes())
    out.flush()
