#!/usr/bin/env python3
"""Makes the quantized .onnx files of this folder with ONNX Runtime's own quantizer.

    pip install onnx==1.23.2 onnxruntime==1.32.0 && python3 make_qdq.py

The weights are random: the tests ask for equal integers, not for a good classifier. Ranges come from
random inputs, as a calibration's would. The files are committed; nothing runs this script."""

import os
import tempfile

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

HERE = os.path.dirname(os.path.abspath(__file__))


class Net:
    """A float network that is written node by node."""

    def __init__(self, rng, shape):
        self.rng, self.shape = rng, shape
        self.nodes, self.tensors, self.count = [], [], 0

    def constant(self, array):
        name = f"c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op, *inputs, **attributes):
        self.count += 1
        name = f"{op.lower()}_{self.count}"
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def weights(self, shape, fan):
        # Channels of different size, so that scales differ.
        spread = self.rng.uniform(0.3, 1.5, (shape[0],) + (1,) * (len(shape) - 1))
        return (self.rng.normal(0, 1.6 / np.sqrt(fan), shape) * spread).astype(np.float32)

    def conv(self, x, inputs, outputs, kernel, bias=True, group=1, **attributes):
        shape = (outputs, inputs // group, *kernel)
        given = [self.constant(self.weights(shape, np.prod(shape[1:])))]
        if bias:
            given.append(self.constant(self.rng.normal(0, 0.3, outputs).astype(np.float32)))
        return self.node("Conv", x, *given, kernel_shape=kernel, group=group, **attributes)

    def gemm(self, x, inputs, outputs):
        weights = self.constant(self.weights((outputs, inputs), inputs))
        bias = self.constant(self.rng.normal(0, 0.3, outputs).astype(np.float32))
        return self.node("Gemm", x, weights, bias, transB=1)

    def finish(self, outputs, opset):
        outputs = outputs if isinstance(outputs, list) else [outputs]
        value = lambda name, shape: helper.make_tensor_value_info(name, 1, shape)
        graph = helper.make_graph(
            self.nodes,
            "net",
            [value("x", ["N", *self.shape])],
            [value(output, None) for output in outputs],
            self.tensors,
        )
        opsets = [helper.make_opsetid("", opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        return onnx.shape_inference.infer_shapes(model)


def convnet(rng, opset):
    """Padded and plain convolutions, both poolings, two fully connected layers, softmax."""
    net = Net(rng, [1, 20, 20])
    x = net.node("Relu", net.conv("x", 1, 8, [3, 3], pads=[1, 1, 1, 1]))
    x = net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("Relu", net.conv(x, 8, 12, [3, 3]))
    x = net.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("Flatten", x)
    x = net.node("Relu", net.gemm(x, 192, 24))
    x = net.node("Softmax", net.gemm(x, 24, 10))
    return net.finish(x, opset)


def separable(rng, opset):
    """Depthwise and grouped convolutions, ReLU6, a mean over all pixels."""
    net = Net(rng, [2, 17, 11])
    six = lambda x: net.node(
        "Clip", x, net.constant(np.float32(0)), net.constant(np.float32(6))
    )
    x = six(net.conv("x", 2, 8, [5, 3], strides=[2, 1], pads=[2, 1, 2, 1]))
    x = six(net.conv(x, 8, 8, [3, 3], group=8, pads=[1, 1, 1, 1], bias=False))
    x = net.node("Relu", net.conv(x, 8, 16, [1, 1]))
    x = net.conv(x, 16, 12, [3, 3], group=4, strides=[2, 2], pads=[0, 0, 1, 1])
    x = net.node("GlobalAveragePool", x)
    x = net.node("Flatten", x)
    x = net.gemm(x, 12, 7)
    return net.finish(x, opset)


def residual(rng, opset):
    """A residual block, a join of branches, a padded average pooling, squeeze and excite."""
    net = Net(rng, [3, 14, 14])
    x = net.node("Relu", net.conv("x", 3, 8, [3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))
    y = net.node("Relu", net.conv(x, 8, 8, [3, 3], pads=[1, 1, 1, 1]))
    y = net.conv(y, 8, 8, [3, 3], pads=[1, 1, 1, 1])
    x = net.node("Relu", net.node("Add", x, y))
    y = net.node("GlobalAveragePool", x)
    y = net.node("Relu", net.conv(y, 8, 4, [1, 1]))
    y = net.node("Sigmoid", net.conv(y, 4, 8, [1, 1]))
    x = net.node("Mul", x, y)
    a = net.node("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    b = net.conv(x, 8, 6, [1, 1])
    x = net.node("Concat", a, b, axis=1)
    x = net.node("AveragePool", x, kernel_shape=[3, 2], strides=[2, 2])
    x = net.node("MaxPool", x, kernel_shape=[2, 2], strides=[1, 1])
    x = net.node("Flatten", x)
    x = net.gemm(x, 56, 5)
    return net.finish(x, opset)


def islands(rng, opset):
    """Functions of one value: some that the quantizer knows, some that it leaves in floats."""
    net = Net(rng, [2, 10, 10])
    x = net.node("HardSwish", net.conv("x", 2, 6, [3, 3], pads=[1, 1, 1, 1]))
    x = net.node("Tanh", net.conv(x, 6, 6, [3, 3], strides=[2, 2]))
    x = net.node("LeakyRelu", net.conv(x, 6, 10, [2, 2]), alpha=0.2)
    y = net.conv(x, 10, 10, [1, 1])
    x = net.node("Mul", y, net.node("Sigmoid", y))
    x = net.node("Elu", net.conv(x, 10, 6, [2, 2]))
    x = net.node("Reshape", x, net.constant(np.array([-1, 24], np.int64)))
    x = net.node("Sigmoid", net.gemm(x, 24, 4))
    return net.finish(x, opset)


def branches(rng, opset):
    """Flattened branches, joined."""
    net = Net(rng, [2, 10, 10])
    a = net.node("Relu", net.conv("x", 2, 6, [3, 3], strides=[2, 2]))
    b = net.node("MaxPool", net.conv("x", 2, 4, [3, 3]), kernel_shape=[4, 4], strides=[4, 4])
    x = net.node("Concat", net.node("Flatten", b), net.node("Flatten", a), axis=1)
    x = net.node("Relu", net.gemm(x, 112, 7))
    return net.finish(net.gemm(x, 7, 4), opset)


def segments(rng, opset):
    """A small U-Net: made smaller and larger again, with a skip connection; an image of three channels."""
    net = Net(rng, [2, 10, 10])
    skip = net.node("Relu", net.conv("x", 2, 4, [3, 3], pads=[1, 1, 1, 1]))
    x = net.node("MaxPool", skip, kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("Relu", net.conv(x, 4, 5, [3, 3], pads=[1, 1, 1, 1]))
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    nearest = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    x = net.node("Resize", x, "", scales, mode="nearest", **nearest)
    x = net.node("Concat", skip, x, axis=1)
    return net.finish(net.conv(x, 9, 3, [1, 1]), opset)


def heads(rng, opset):
    """Several outputs: an image and a vector that later layers read, a box, two classifiers."""
    net = Net(rng, [2, 10, 10])
    x = net.node("Relu", net.conv("x", 2, 6, [3, 3], strides=[2, 2]))
    image = net.conv(x, 6, 4, [2, 2])
    y = net.node("Relu", net.conv(image, 4, 5, [3, 3]))
    vector = net.node("Relu", net.gemm(net.node("Flatten", y), 5, 8))
    box = net.node("Sigmoid", net.gemm(vector, 8, 4))
    coarse = net.gemm(net.node("Flatten", x), 96, 3)
    fine = net.node("Softmax", net.gemm(vector, 8, 7), axis=1)
    return net.finish([image, coarse, fine, vector, box], opset)


class Samples(CalibrationDataReader):
    def __init__(self, rng, shape):
        smooth = lambda: np.cumsum(rng.normal(0, 0.3, (1, *shape)), axis=2)
        data = [(smooth() + rng.normal(0, 0.5, (1, *shape))).astype(np.float32) for _ in range(40)]
        self.data = iter([{"x": sample} for sample in data])

    def get_next(self):
        return next(self.data, None)


def quantized(model, rng, form, activations, weights=QuantType.QInt8, per_channel=True, **extra):
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim][1:]
    with tempfile.TemporaryDirectory() as folder:
        source, target = (os.path.join(folder, name) for name in ["float.onnx", "q.onnx"])
        onnx.save(model, source)
        quantize_static(
            source,
            target,
            Samples(rng, shape),
            quant_format=form,
            per_channel=per_channel,
            activation_type=activations,
            weight_type=weights,
            extra_options=extra,
        )
        return onnx.load(target)


def main():
    u8, i8 = QuantType.QUInt8, QuantType.QInt8
    qdq, qoperator = QuantFormat.QDQ, QuantFormat.QOperator
    symmetric = {"WeightSymmetric": True, "ActivationSymmetric": False}
    files = {
        "convnet_qdq": (convnet, 13, qdq, u8, {}),
        "convnet_qdq_i8": (convnet, 21, qdq, i8, {"per_channel": False}),
        "convnet_qdq_symmetric": (convnet, 17, qdq, i8, {"ActivationSymmetric": True}),
        "convnet_qoperator": (convnet, 13, qoperator, u8, {}),
        "separable_qdq": (separable, 15, qdq, u8, {"per_channel": False}),
        "separable_qdq_i8": (separable, 13, qdq, i8, {}),
        "separable_qoperator": (separable, 12, qoperator, u8, {"per_channel": False}),
        "residual_qdq": (residual, 13, qdq, u8, {}),
        "residual_qdq_i8": (residual, 18, qdq, i8, {"per_channel": False}),
        "residual_qoperator": (residual, 13, qoperator, u8, symmetric),
        "islands_qdq": (islands, 14, qdq, u8, {}),
        "branches_qdq": (branches, 17, qdq, u8, {}),
        "branches_qoperator": (branches, 13, qoperator, u8, {"per_channel": False}),
        "segments_qdq": (segments, 17, qdq, u8, {}),
        "heads_qdq": (heads, 17, qdq, u8, {}),
        "heads_qoperator": (heads, 13, qoperator, u8, {"per_channel": False}),
    }
    for name, (make, opset, form, activations, extra) in files.items():
        rng = np.random.default_rng(20)
        model = quantized(make(rng, opset), rng, form, activations, **extra)
        onnx.save(model, os.path.join(HERE, name + ".onnx"))
        print(f"{name}.onnx: {model.ByteSize()} bytes")


if __name__ == "__main__":
    main()
