#!/usr/bin/env python3
"""Makes the .tflite files of this folder with TensorFlow's own tools.

    pip install tensorflow-cpu==2.21.0 && python3 make_tflite.py

The weights are random: the tests ask for equal integers, not for a good classifier. Ranges come from
random inputs, as a calibration's would. The files are committed; nothing runs this script."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

import flatbuffers

layers = tf.keras.layers
HERE = os.path.dirname(os.path.abspath(__file__))


def convnet():
    """Padded and plain convolutions, both poolings, two fully connected layers, softmax."""
    x = start = layers.Input((20, 20, 1), batch_size=1)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(12, 3, activation="relu6")(x)
    x = layers.AveragePooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(24, activation="relu")(x)
    x = layers.Dense(10, activation="softmax")(x)
    return tf.keras.Model(start, x)


def mobilenet():
    """Inverted bottlenecks as in MobileNet v2: one with a residual, one that pads by a layer."""
    x = start = layers.Input((24, 24, 3), batch_size=1)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    y = layers.Conv2D(24, 1, use_bias=False)(x)
    y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
    y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
    y = layers.Conv2D(8, 1, use_bias=False)(y)
    y = layers.BatchNormalization()(y)
    x = layers.Add()([x, y])
    y = layers.Conv2D(20, 1, activation="relu6")(x)
    y = layers.ZeroPadding2D(((0, 1), (0, 1)))(y)
    y = layers.DepthwiseConv2D(3, strides=2, activation="relu6")(y)
    x = layers.Conv2D(16, 1)(y)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(7)(x)
    return tf.keras.Model(start, x)


def separable():
    """Separable convolutions, a multiplier of 2, rectangular windows, pooling over the border."""
    x = start = layers.Input((17, 11, 2), batch_size=1)
    x = layers.DepthwiseConv2D((5, 3), depth_multiplier=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(9, 1, activation="relu")(x)
    x = layers.AveragePooling2D(3, strides=2, padding="same")(x)
    x = layers.SeparableConv2D(13, 3, strides=(2, 1), padding="same")(x)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.MaxPooling2D(2, strides=1, padding="same")(x)
    x = layers.Conv2D(6, (3, 4))(x)
    x = layers.Flatten()(x)
    x = layers.Dense(5, activation="sigmoid")(x)
    return tf.keras.Model(start, x)


def excite():
    """Squeeze and excite, hard-swish, tanh, a join of branches and a layer that only pads."""
    x = start = layers.Input((12, 12, 3), batch_size=1)
    x = layers.Conv2D(8, 3, strides=2, padding="same")(x)
    x = layers.Activation("hard_swish")(x)
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = layers.Conv2D(4, 1, activation="relu")(y)
    y = layers.Conv2D(8, 1, activation="sigmoid")(y)
    x = layers.Multiply()([x, y])
    a = layers.Conv2D(5, 3, padding="same", activation="tanh")(x)
    b = layers.MaxPooling2D(3, strides=1, padding="same")(x)
    x = layers.Concatenate()([a, b])
    x = layers.ZeroPadding2D(1)(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Multiply()([x, layers.Conv2D(13, 1)(x)])
    x = layers.Flatten()(x)
    x = layers.Dense(6)(x)
    return tf.keras.Model(start, x)


def attend():
    """What only float networks have here: ELU, slopes of their own, and squeeze and excite among them."""
    x = start = layers.Input((12, 12, 3), batch_size=1)
    x = layers.Conv2D(8, 3, strides=2, padding="same")(x)
    x = layers.Activation("hard_swish")(x)
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = layers.Conv2D(4, 1, activation="elu")(y)
    y = layers.Conv2D(8, 1, activation="sigmoid")(y)
    x = layers.Multiply()([x, y])
    a = layers.Conv2D(5, 3, padding="same", activation="tanh")(x)
    b = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(6, 1)(x))
    x = layers.Concatenate()([a, b])
    x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(7, 3, activation="relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(6, activation="softmax")(x)
    return tf.keras.Model(start, x)


def series():
    """One-dimensional convolutions over three sensors."""
    x = start = layers.Input((64, 3), batch_size=1)
    x = layers.Conv1D(8, 5, strides=2, padding="same", activation="relu")(x)
    x = layers.MaxPooling1D(2)(x)
    x = layers.Conv1D(12, 3, dilation_rate=2, activation="relu")(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dense(4, activation="softmax")(x)
    return tf.keras.Model(start, x)


def heads():
    """Several outputs: a classifier, numbers of their own, an image and a vector that later layers read."""
    x = start = layers.Input((12, 10, 2), batch_size=1)
    x = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = image = layers.Conv2D(4, 3)(x)
    x = layers.Flatten()(layers.ReLU()(x))
    x = vector = layers.Dense(9, activation="relu")(x)
    box = layers.Dense(4, activation="sigmoid")(x)
    label = layers.Dense(5, activation="softmax")(x)
    return tf.keras.Model(start, [image, label, vector, box])


def segments():
    """A small U-Net: made smaller and larger again by repeated pixels, with a skip connection."""
    x = start = layers.Input((12, 9, 2), batch_size=1)
    skip = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D((2, 3))(skip)
    x = layers.Conv2D(5, 3, padding="same", activation="relu")(x)
    # What Keras 2 made of UpSampling2D; Keras 3 repeats in five dimensions.
    x = layers.Lambda(lambda x: tf.image.resize(x, (12, 9), method="nearest"))(x)
    x = layers.Concatenate()([skip, x])
    x = layers.Conv2D(3, 1)(x)
    return tf.keras.Model(start, x)


def resized(rng):
    """Every way to count pixels of a nearest resize, to sizes that are no multiples."""
    weights = tf.constant(rng.normal(size=(1, 1, 2, 3)).astype(np.float32))
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((1, 5, 7, 2), tf.float32)])
    def network(x):
        resize = tf.raw_ops.ResizeNearestNeighbor
        x = tf.nn.conv2d(x, weights, 1, "SAME")
        x = resize(images=x, size=[9, 13], align_corners=True)
        x = resize(images=x, size=[7, 20], half_pixel_centers=True)
        return resize(images=x, size=[16, 11])

    return tf.lite.TFLiteConverter.from_concrete_functions(
        [network.get_concrete_function()], module
    )


def randomize(model, rng):
    """Weights that keep values apart, and batch norm with statistics of its own."""
    for layer in model.layers:
        for weight in layer.weights:
            shape = weight.shape
            if "variance" in weight.path or "gamma" in weight.path:
                value = rng.uniform(0.5, 2.0, shape)
            elif len(shape) < 2:
                value = rng.normal(0, 0.3, shape)
            else:
                fan = np.prod(shape[:-1]) if "depthwise" not in weight.path else np.prod(shape[:2])
                # Channels of different size, so that scales differ.
                value = rng.normal(0, 1.6 / np.sqrt(fan), shape) * rng.uniform(0.3, 1.5, shape[-1])
            weight.assign(value)


def quantized(model, rng, border=tf.int8, per_channel=True):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    return integers(converter, model.inputs[0].shape[1:], rng, border, per_channel)


def integers(converter, shape, rng, border=tf.int8, per_channel=True):
    shape = (1, *shape)

    def samples():
        for _ in range(60):
            smooth = np.cumsum(rng.normal(0, 0.3, shape), axis=1)
            yield [(smooth + rng.normal(0, 0.5, shape)).astype(np.float32)]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = border
    converter.inference_output_type = border
    converter._experimental_disable_per_channel = not per_channel
    return converter.convert()


def floats(model, halves=False):
    """A keras model as it is, or with its weights in half precision."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if halves:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def with_four_bits(file):
    """The same network with the weights of every convolution and fully connected layer in 4 bits."""
    model = schema.ModelT.InitFromPackedBuf(file, 0)
    graph = model.subgraphs[0]
    kinds = schema.BuiltinOperator
    weighted = [kinds.CONV_2D, kinds.FULLY_CONNECTED]
    for operator in graph.operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode not in weighted:
            continue
        tensor = graph.tensors[operator.inputs[1]]
        data = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.int8)
        data = np.clip(np.round(data / 18), -7, 7).astype(np.int8)
        data = np.append(data, [0] * (len(data) % 2)).astype(np.int8)
        packed = (data[0::2] & 15) | ((data[1::2] & 15) << 4)
        model.buffers[tensor.buffer].data = packed.astype(np.uint8)
        tensor.type = schema.TensorType.INT4
        # Coarser weights, so coarser units of weights and biases.
        bias = graph.tensors[operator.inputs[2]]
        for scaled in [tensor, bias]:
            scaled.quantization.scale = np.array(scaled.quantization.scale, np.float32) * 18
        data = np.frombuffer(bytes(model.buffers[bias.buffer].data), np.int32)
        data = np.round(data / 18).astype(np.int32)
        model.buffers[bias.buffer].data = np.frombuffer(data.tobytes(), np.uint8)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def main():
    rng = np.random.default_rng(20)
    files = {}
    for make in [convnet, mobilenet, separable, excite, series]:
        model = make()
        randomize(model, rng)
        files[make.__name__] = quantized(model, rng)
        # A border of its own before a pooling has no integers that every runtime computes.
        if make is not excite:
            files[make.__name__ + "_float"] = floats(model)
        if make is convnet:
            files["convnet_half"] = floats(model, halves=True)
            files["convnet_per_tensor"] = quantized(model, rng, per_channel=False)
            files["convnet_float_borders"] = quantized(model, rng, border=tf.float32)
            files["convnet_u8_borders"] = quantized(model, rng, border=tf.uint8)
            files["convnet_4_bits"] = with_four_bits(files["convnet_per_tensor"])
    model = attend()
    randomize(model, rng)
    files["attend_float"] = floats(model)
    for make in [heads, segments]:
        model = make()
        randomize(model, rng)
        files[make.__name__] = quantized(model, rng)
        files[make.__name__ + "_float"] = floats(model)
    files["resized"] = integers(resized(rng), (5, 7, 2), rng)
    for name, contents in files.items():
        with open(os.path.join(HERE, name + ".tflite"), "wb") as file:
            file.write(contents)
        print(f"{name}.tflite: {len(contents)} bytes")


if __name__ == "__main__":
    main()
