//! How many images go through a graph at once, so that large ones do not take memory without end.

use crate::learn::network::{Network, Placed};

/// Bytes that the values of all images in a graph may have together. What a backend takes is about as
/// much again, with ONNX Runtime up to four times that.
const BUDGET: usize = 64 << 20;

/// Images that batch norm's statistics are made of at least, unless more threads share a batch.
const LEAST_WITH_STATISTICS: usize = 16;

/// The parts to divide a batch of `batch` images into: as many for each of the `workers`, and one for
/// each where that fits into the budget, as a batch of 64 images of 28×28 does with all networks here.
pub fn parts(network: &Network, batch: usize, workers: usize) -> usize {
    let least = if network.has_statistics() { LEAST_WITH_STATISTICS } else { 1 };
    workers * batch.div_ceil(workers).div_ceil(images(network).max(least))
}

/// Images in the budget, at least one.
pub fn images(network: &Network) -> usize {
    let elements: usize = network.layers.iter().map(elements).sum();
    (BUDGET / (elements * size_of::<f32>()).max(1)).max(1)
}

/// What a layer makes of one image: its output, and the windows that a convolution with a kernel
/// larger than a pixel multiplies.
fn elements(placed: &Placed) -> usize {
    let output = placed.output.elements();
    let windows = placed.parameters.iter().find_map(|parameter| match parameter.shape[..] {
        [_, _, height, width] if height * width > 1 => {
            let (channels, _) = placed.shapes[0].channels();
            let (_, positions) = placed.output.channels();
            Some(channels * height * width * positions)
        }
        _ => None,
    });
    output + windows.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{LEAST_WITH_STATISTICS, images, parts};
    use crate::learn::network::{Description, Network};

    fn network(name: &str, input: [usize; 3]) -> Network {
        let description = Description::named(name).expect("it is a preset");
        description.build(input, 10).expect("it takes such images")
    }

    /// Their images are evaluated in smaller parts than those of others: that has no statistics of its images,
    /// so that nothing changes for them either.
    const LARGE: [&str; 1] = ["digits-64k"];

    /// What is trained and evaluated does not change for them.
    #[test]
    fn small_images_are_not_divided() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("networks");
        let files = fs::read_dir(folder).expect("the networks are there");
        let files = files.map(|file| file.expect("it is read").path());
        let mut seen = 0;
        for file in files.filter(|file| file.extension().is_some_and(|end| end == "toml")) {
            let text = fs::read_to_string(&file).expect("it is read");
            let name = file.display().to_string();
            let description = Description::parse(&name, &text).expect("it is a network");
            let network = description.build([1, 28, 28], 10).expect("it takes small images");
            for workers in 1..=4 {
                assert_eq!(parts(&network, 64, workers), workers, "{name}");
            }
            let large = file.file_stem().is_some_and(|stem| LARGE.iter().any(|name| stem == *name));
            assert_eq!(images(&network) >= 100, !large, "{name}");
            seen += 1;
        }
        assert!(seen >= 9, "{seen} networks");
    }

    #[test]
    fn large_images_are_divided_alike_for_all_workers() {
        let photo = network("photo", [3, 96, 96]);
        assert_eq!(parts(&photo, 64, 1), 64 / LEAST_WITH_STATISTICS);
        assert_eq!(parts(&photo, 64, 2), 64 / LEAST_WITH_STATISTICS);
        assert_eq!(parts(&photo, 64, 3), 6);
        assert_eq!(parts(&photo, 1, 4), 4);
        // Without batch norm as small as it must be.
        let simple = network("simple", [3, 96, 96]);
        assert_eq!(parts(&simple, 64, 1), 64usize.div_ceil(images(&simple)));
        assert_eq!(images(&network("photo", [3, 512, 512])), 1);
    }
}
