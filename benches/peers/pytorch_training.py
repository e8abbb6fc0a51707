"""PyTorch's side of the training benchmark: a network of trainer/networks, batch 64, SGD with momentum.

Reads one line from standard input for each epoch to run, the number of its images, and answers with the
seconds that it took and its mean loss. Prints "ready" once the data is there and one warm-up step is
done. The images are on the way in as the Rust side has them: u8 in memory, shuffled every epoch, scaled
by 1/255. They are MNIST's where the shape is 28x28x1, else noise: the time does not depend on them.

Usage: pytorch_training.py MNIST_FOLDER THREADS NETWORK.toml HEIGHTxWIDTHxCHANNELS
"""

import gzip
import sys
import time
import tomllib

import numpy as np
import torch
from torch import nn

BATCH = 64
IMAGES = 55_000


def idx(path, header):
    with gzip.open(path) as file:
        return np.frombuffer(file.read()[header:], np.uint8)


def data(folder, shape):
    """Images [N, C, H, W] and labels, as the Rust side has them after the validation split."""
    height, width, channels = shape
    labels = idx(f"{folder}/train-labels-idx1-ubyte.gz", 8)[:IMAGES].astype(np.int64)
    if shape == (28, 28, 1):
        images = idx(f"{folder}/train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)[:IMAGES].copy()
    else:
        random = np.random.default_rng(0)
        images = random.integers(0, 256, (IMAGES, channels, height, width), np.uint8)
    return torch.from_numpy(images), torch.from_numpy(labels)


class Network(nn.Module):
    """The layers of a network's file."""

    def __init__(self, layers, shape):
        super().__init__()
        height, width, channels = shape
        self.names, self.inputs = [], []
        self.layers = nn.ModuleList()
        x = torch.zeros(1, channels, height, width)
        values = {"image": x}
        previous = "image"
        for number, layer in enumerate(layers):
            name = layer.get("name", str(number))
            inputs = layer.get("inputs", [previous])
            read = [values[name] for name in inputs]
            module = self.module(layer, read[0].shape[1])
            values[name] = self.apply_one(module, layer["kind"], read)
            self.layers.append(module)
            self.names.append((name, layer["kind"]))
            self.inputs.append(inputs)
            previous = name

    @staticmethod
    def module(layer, features):
        kind = layer["kind"]
        if kind == "conv2d":
            return nn.Conv2d(features, layer["channels"], layer["kernel"], layer.get("stride", 1),
                             layer.get("padding", 0), groups=layer.get("groups", 1),
                             bias=layer.get("bias", True))
        if kind == "fully_connected":
            return nn.Linear(features, layer.get("outputs", 10))
        if kind == "max_pool2d":
            return nn.MaxPool2d(layer["kernel"], layer.get("stride"))
        simple = {"batch_norm": lambda: nn.BatchNorm2d(features), "relu": nn.ReLU, "relu6": nn.ReLU6,
                  "global_average_pool": lambda: nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten,
                  "add": nn.Identity}
        if kind not in simple:
            raise SystemExit(f"no {kind} here")
        return simple[kind]()

    @staticmethod
    def apply_one(module, kind, read):
        return read[0] + read[1] if kind == "add" else module(read[0])

    def forward(self, x):
        values = {"image": x}
        for module, (name, kind), inputs in zip(self.layers, self.names, self.inputs):
            x = values[name] = self.apply_one(module, kind, [values[input] for input in inputs])
        return x


def main():
    folder, threads, path, shape = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    shape = tuple(int(size) for size in shape.split("x"))
    images, labels = data(folder, shape)
    with open(path, "rb") as file:
        network = Network(tomllib.load(file)["layer"], shape)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()

    def step(indices):
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(network(images[indices].float() / 255), labels[indices])
        loss.backward()
        optimizer.step()
        return loss.item()

    step(torch.arange(BATCH))
    print("ready", torch.__version__, flush=True)
    for line in sys.stdin:
        count = int(line)
        begun = time.perf_counter()
        losses = [step(indices) for indices in torch.randperm(len(labels))[:count].split(BATCH)]
        print(time.perf_counter() - begun, sum(losses) / len(losses), flush=True)


if __name__ == "__main__":
    main()
