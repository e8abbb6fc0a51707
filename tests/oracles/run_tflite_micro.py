#!/usr/bin/env python3
"""TensorFlow Lite for Microcontrollers as a reference: what it computes for many inputs.

    python3 run_tflite_micro.py MODEL.tflite OUTPUT… < inputs > outputs

Inputs and outputs are raw int8 values, one sample after the other. Each OUTPUT is the
number of a tensor that is taken for an output of the network, in place of those that the file names."""

import struct
import sys

import numpy as np
from tflite_micro.python.tflite_micro import runtime

ARENA = 16 << 20


def u32(data, at):
    return struct.unpack_from("<I", data, at)[0]


def field(data, table, number):
    """Where a field of a table lies."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    return table + struct.unpack_from("<H", data, vtable + 4 + 2 * number)[0]


def with_outputs(data, tensors):
    """The model with other tensors as the outputs of its only subgraph."""
    graphs = field(data, u32(data, 0), 2)
    graphs += u32(data, graphs)
    graph = graphs + 4 + u32(data, graphs + 4)
    outputs = field(data, graph, 2)
    data = bytearray(data) + bytes(-len(data) % 4)
    struct.pack_into("<I", data, outputs, len(data) - outputs)
    data += struct.pack(f"<I{len(tensors)}i", len(tensors), *tensors)
    return bytes(data)


def main():
    with open(sys.argv[1], "rb") as file:
        tensors = [int(number) for number in sys.argv[2:]]
        model = with_outputs(file.read(), tensors)
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA)
    details = interpreter.get_input_details(0)
    shape, kind = tuple(details["shape"]), details["dtype"]
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    inputs = sys.stdin.buffer.read()
    assert len(inputs) % size == 0, f"{len(inputs)} bytes are no samples of {size}"
    for start in range(0, len(inputs), size):
        sample = np.frombuffer(inputs[start : start + size], kind).reshape(shape)
        interpreter.set_input(sample, 0)
        interpreter.invoke()
        for number in range(len(tensors)):
            sys.stdout.buffer.write(interpreter.get_output(number).tobytes())


if __name__ == "__main__":
    main()
