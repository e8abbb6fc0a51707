//! The networks whose cost is held against other libraries': `models/simple`, and networks of the
//! shapes that others measure, with random weights in our own arithmetic.

use std::path::Path;

use converter::quantize::{Bits, LayerBits, USUAL_BITS};
use converter::{Conversion, Converter, Favour};
use fastrand::Rng;
use inkling_data::read::labels;
use inkling_data::{Dataset, Split};
use trainer::learn::export::float_onnx;
use trainer::learn::network::Description;

/// Inputs over which the worst case is taken.
pub const INPUTS: usize = 20;

/// A network of `trainer/networks/reference`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its file's name.
    pub name: &'static str,
    /// Height, width and channels of the input.
    pub shape: [usize; 3],
    pub outputs: usize,
    /// Multiply-accumulates, taps on padding counted, and weights.
    pub macs: usize,
    pub weights: usize,
}

/// The shapes of MLPerf Tiny's four networks, and of a small one for digits.
pub const REFERENCES: [Reference; 5] = [
    Reference { name: "mnist5", shape: [28, 28, 1], outputs: 10, macs: 878_912, weights: 8_648 },
    Reference { name: "ic", shape: [32, 32, 3], outputs: 10, macs: 12_501_632, weights: 77_360 },
    Reference { name: "kws", shape: [49, 10, 1], outputs: 12, macs: 2_656_768, weights: 22_016 },
    Reference { name: "vww", shape: [96, 96, 3], outputs: 2, macs: 7_489_664, weights: 208_112 },
    Reference {
        name: "ad", // A vector, for the reader of ONNX files one column.
        shape: [640, 1, 1],
        outputs: 640,
        macs: 264_192,
        weights: 264_192,
    },
];

impl Reference {
    /// The network with weights drawn from its name, converted on random samples.
    ///
    /// # Panics
    ///
    /// When its file is no network, or does not convert.
    pub fn convert(&self) -> Conversion {
        self.convert_for(Favour::Time)
    }

    /// The same for time or memory.
    ///
    /// # Panics
    ///
    /// As [`Reference::convert`].
    pub fn convert_for(&self, favour: Favour) -> Conversion {
        self.convert_with(favour, Bits::new(USUAL_BITS, LayerBits::new()))
    }

    /// The same with weights of so many bits.
    ///
    /// # Panics
    ///
    /// As [`Reference::convert`].
    pub fn convert_with(&self, favour: Favour, bits: Bits) -> Conversion {
        let path = crate::root().join("trainer/networks/reference").join(self.name);
        let path = path.with_extension("toml");
        let [height, width, channels] = self.shape;
        let network = Description::named(&path.to_string_lossy())
            .and_then(|description| description.build([channels, height, width], self.outputs))
            .unwrap_or_else(|error| panic!("{error}"));
        let seed = self.name.bytes().map(u64::from).sum();
        let parameters: Vec<f32> = network
            .initial_parameters(seed)
            .iter()
            // The rule's variance is a third over the fan-in; behind a ReLU it takes two to keep the
            // scale of what goes through.
            .map(|value| value * 6f32.sqrt())
            .collect();
        let onnx = float_onnx(&network, &parameters, None);
        Converter::new(self.name, &onnx)
            .favour(favour)
            .bits(bits)
            .convert(&self.samples(1))
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// [`samples`] of its shape.
    pub fn samples(&self, seed: u64) -> Dataset {
        samples(self.shape, self.outputs, seed)
    }

    /// Converts the network into `folder` and returns the inputs to run it on.
    ///
    /// # Panics
    ///
    /// As [`Reference::convert`], or when the folder cannot be written.
    pub fn write(&self, folder: &Path) -> (Conversion, Dataset) {
        let conversion = self.convert();
        let inputs = self.samples(2);
        conversion.write(folder, &inputs, "").expect("the folder can be written");
        (conversion, inputs)
    }
}

/// [`INPUTS`] samples of a shape, for a network of so many outputs: all zeros, all ones, and random ones.
pub fn samples(shape: [usize; 3], outputs: usize, seed: u64) -> Dataset {
    let mut random = Rng::with_seed(seed);
    let size: usize = shape.iter().product();
    let mut samples = vec![0; size * INPUTS];
    samples[size..2 * size].fill(255);
    samples[2 * size..].iter_mut().for_each(|value| *value = random.u8(..));
    Dataset::new(shape, samples, vec![0; INPUTS], labels::numbers(outputs))
}

/// The first test images, for `models/simple`.
///
/// # Panics
///
/// When MNIST is missing.
pub fn digits() -> Dataset {
    let test = Dataset::load(&crate::mnist(), Split::Test).expect("MNIST is committed");
    test.subset(&(0..INPUTS).collect::<Vec<_>>())
}
