"""Makes data sets of the recordings that the Python package seglearn brings: watch.npz with both senses,
accelerometer.npz and gyroscope.npz with one.

Shoulder exercises of ten people, seven kinds, with the accelerometer and the gyroscope of a smartwatch, 50
values a second (Burns et al., "Shoulder Physiotherapy Exercise Recognition: Machine Learning the Inertial
Signals from a Smartwatch", arXiv:1802.01489; the package is under the BSD licence). Windows of 2.56
seconds, 12.5 values a second, as bytes; people 1 to 3 are the test.

    pip install --no-deps seglearn && pip install numpy && python watch.py FOLDER
"""

import importlib.util
import pathlib
import sys

import numpy as np

STEPS = 32  # of a window
EACH = 4  # values of the recording are one step: their mean
APART = 16  # steps from the beginning of one window to the next
TEST = (1, 2, 3)  # people whom the training does not see
RANGE = {"accelerometer": 3.0, "gyroscope": 6.0}  # g and radians a second: what becomes 0 and 255


def recordings():
    # The package itself needs scikit-learn; its file does not.
    package = importlib.util.find_spec("seglearn").submodule_search_locations[0]
    file = pathlib.Path(package) / "data" / "watch_dataset.npy"
    data = np.load(file, allow_pickle=True).item()
    for values, kind, person in zip(data["X"], data["y"], data["subject"]):
        yield values[:, :6], data["y_labels"][int(kind)], int(person)


def main(folder):
    arrays = {}
    for values, kind, person in recordings():
        part = "test" if person in TEST else "train"
        steps = values[: len(values) // EACH * EACH].reshape(-1, EACH, 6).mean(axis=1)
        for first in range(0, len(steps) - STEPS + 1, APART):
            window = steps[first : first + STEPS]
            for name, sensor in (("accelerometer", window[:, :3]), ("gyroscope", window[:, 3:])):
                scaled = np.rint((sensor / RANGE[name] + 1.0) * 127.5).clip(0, 255)
                arrays.setdefault(f"{name}_{part}", []).append(scaled.astype(np.uint8))
            arrays.setdefault(f"y_{part}", []).append(kind)
    arrays = {name: np.array(all) for name, all in arrays.items()}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "watch.npz", **arrays)
    for name in RANGE:
        alone = {f"y_{part}": arrays[f"y_{part}"] for part in ("train", "test")}
        for part in ("train", "test"):
            # A series is one row.
            alone[f"x_{part}"] = arrays[f"{name}_{part}"][:, None]
        np.savez_compressed(folder / f"{name}.npz", **alone)
    for name, all in sorted(arrays.items()):
        print(name, all.shape)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
