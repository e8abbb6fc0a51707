"""PyTorch's side of the training benchmark: the network `simple`, batch 64, SGD with momentum.

Reads one line from standard input for each epoch to run, and answers with the seconds that it took
and its mean loss. Prints "ready" once the data is loaded and one warm-up step is done. The images
are on the way in as the Rust side has them: u8 in memory, shuffled every epoch, scaled by 1/255.

Usage: pytorch_training.py MNIST_FOLDER THREADS
"""

import gzip
import sys
import time

import numpy as np
import torch
from torch import nn

BATCH = 64


def idx(path, header):
    with gzip.open(path) as file:
        return np.frombuffer(file.read()[header:], np.uint8)


def main():
    folder, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    # 55,000 images, as the Rust side has them after the validation split.
    images = idx(f"{folder}/train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)[:55_000]
    labels = idx(f"{folder}/train-labels-idx1-ubyte.gz", 8)[:55_000]
    images, labels = torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64))

    network = nn.Sequential(
        nn.Conv2d(1, 10, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(10, 20, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(320, 50), nn.ReLU(), nn.Linear(50, 10),
    )
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
    for _ in sys.stdin:
        begun = time.perf_counter()
        losses = [step(indices) for indices in torch.randperm(len(labels)).split(BATCH)]
        print(time.perf_counter() - begun, sum(losses) / len(losses), flush=True)


if __name__ == "__main__":
    main()
