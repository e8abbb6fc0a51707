//! What `converter inspect` estimates from: instructions of layers, counted in QEMU, and a sum fitted
//! to them for each kind of layer on each core.

use std::collections::BTreeMap;
use std::path::Path;

use converter::inspect::BOARDS;
use converter::inspect::costs::{CoreCosts, FEATURES, Factors, kind, to_json, work};
use converter::quantize::{Bits, LayerBits, USUAL_BITS};
use converter::quantized::QuantizedNetwork;
use converter::{Converter, Favour, tflite};

use super::Toolchain;
use super::cores::{CORES, Core};
use crate::networks::{REFERENCES, digits};
use crate::structures::{CLASSES, SIDE, Structure, network};
use crate::tflite_micro::{MODELS, committed};

/// For kinds of layers that real networks, those of the reference and the committed ones, do not have.
const STRUCTURES: [Structure; 7] = [
    Structure::Signed,
    Structure::Dense,
    Structure::Grouped,
    Structure::Leaky,
    Structure::Functions,
    Structure::Excite,
    Structure::Moving,
];

/// Committed models, each as it is without rows.
const COMMITTED: [&str; 6] =
    ["digits-2k", "digits-5k", "digits-10k", "digits-16k", "digits-64k", "simple"];

/// Networks of the reference that are counted with weights of four bits too.
const FOUR_BITS: [&str; 3] = ["simple", "mnist5", "kws"];

/// A layer that was counted: its kind, and what it tells of it.
type Counted = (String, Sample);

/// What was counted of a layer.
#[derive(Clone, Copy)]
struct Sample {
    work: Factors,
    instructions: f64,
    /// It is one of a real network. Of layers that multiply, where there are such, the small ones that are
    /// there for other kinds do not count: a few outputs take other ways through their kernels.
    real: bool,
}

/// Counts every network on the cores of all boards and returns the file that `converter` reads.
///
/// # Errors
///
/// What does not build or run.
pub fn json(toolchain: &Toolchain) -> Result<String, String> {
    let mut costs = BTreeMap::new();
    let cores = CORES.iter().filter(|core| BOARDS.iter().any(|board| board.core == core.name));
    for core in cores {
        costs.insert(core.name.to_string(), measure(toolchain, core)?);
    }
    Ok(to_json(&costs))
}

fn measure(toolchain: &Toolchain, core: &Core) -> Result<CoreCosts, String> {
    let mut layers = Vec::new();
    let (mut code, mut stack) = (0, 0);
    let mut count =
        |name: &str, real: bool, folder: &Path, network: &QuantizedNetwork, inputs: &[u8]| {
            eprintln!("counting {name} on {}", core.name);
            let cost = core.cost(toolchain, folder, inputs, network.input.size())?;
            for (layer, &instructions) in network.layers.iter().zip(&cost.layers) {
                let (work, instructions) = (work(network, layer), instructions as f64);
                layers.push((kind(layer), Sample { work, instructions, real }));
            }
            (code, stack) = (code.max(cost.kernels as usize), stack.max(cost.stack as usize));
            Ok::<(), String>(())
        };
    let scratch = crate::scratch("costs");
    for reference in REFERENCES {
        let few = FOUR_BITS.contains(&reference.name).then_some(4);
        for bits in [Some(USUAL_BITS), few].into_iter().flatten() {
            let conversion =
                reference.convert_with(Favour::Time, Bits::new(bits, LayerBits::new()));
            let inputs = reference.samples(2);
            conversion.write(&scratch, &inputs, "").map_err(|error| error.to_string())?;
            // The largest of the samples; two inputs tell as much as twenty.
            count(reference.name, true, &scratch, &conversion.network, &inputs.batch(2..4))?;
        }
    }
    for structure in STRUCTURES {
        let images = crate::random_images(11, 4, SIDE, SIDE, CLASSES);
        let conversion = Converter::new("structure", &network(structure, 3, 17))
            .convert(&images)
            .map_err(|error| error.to_string())?;
        conversion.write(&scratch, &images, "").map_err(|error| error.to_string())?;
        count(
            &format!("{structure:?}"),
            false,
            &scratch,
            &conversion.network,
            &images.batch(0..4),
        )?;
    }
    for name in MODELS {
        let tflite = std::fs::read(committed(name)).map_err(|error| error.to_string())?;
        let model = tflite::convert(name, &tflite, Favour::Time).map_err(|e| e.to_string())?;
        model.write(&scratch).map_err(|error| error.to_string())?;
        let network = &model.network;
        let mut rng = fastrand::Rng::with_seed(5);
        let inputs: Vec<u8> = (0..4 * network.input.size()).map(|_| rng.u8(..)).collect();
        count(name, true, &scratch, network, &inputs)?;
    }
    for name in COMMITTED {
        let folder = crate::root().join("models").join(name);
        let onnx = std::fs::read(folder.join("float.onnx")).map_err(|error| error.to_string())?;
        let images = digits();
        let conversion =
            Converter::new(name, &onnx).convert(&images).map_err(|error| error.to_string())?;
        conversion.write(&scratch, &images, "").map_err(|error| error.to_string())?;
        count(name, true, &scratch, &conversion.network, &images.batch(0..4))?;
    }
    let _ = std::fs::remove_dir_all(&scratch);
    Ok(CoreCosts { layers: fit_all(&layers), code, stack })
}

fn fit_all(counted: &[Counted]) -> BTreeMap<String, Factors> {
    let mut kinds: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    for (kind, sample) in counted {
        kinds.entry(kind).or_default().push(*sample);
    }
    for samples in kinds.values_mut() {
        if samples.iter().any(|sample| sample.real && sample.work[0] > 0.0) {
            samples.retain(|sample| sample.real);
        }
    }
    kinds.into_iter().map(|(kind, samples)| (kind.to_string(), fit(&samples))).collect()
}

/// The factors, none negative, whose sums have the least squared relative error: coordinate descent,
/// each step the best value of one factor.
fn fit(samples: &[Sample]) -> Factors {
    const ROUNDS: usize = 20_000;
    let mut factors = [0.0; FEATURES];
    let share = |sample: &Sample| sample.work.map(|x| x / sample.instructions);
    let rows: Vec<Factors> = samples.iter().map(share).collect();
    for _ in 0..ROUNDS {
        for index in 0..FEATURES {
            let (mut above, mut below) = (0.0, 0.0);
            for row in &rows {
                let others: f64 = (0..FEATURES)
                    .filter(|&other| other != index)
                    .map(|other| row[other] * factors[other])
                    .sum();
                above += row[index] * (1.0 - others);
                below += row[index] * row[index];
            }
            factors[index] = if below > 0.0 { (above / below).max(0.0) } else { 0.0 };
        }
    }
    // As many digits as the counts are good for.
    factors.map(|factor| (factor * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::{Sample, fit};

    #[test]
    fn a_fit_finds_the_factors() {
        let truth = [1.5, 0.25, 12.0, 2.0, 300.0];
        let samples: Vec<_> = (1..12)
            .map(|n| {
                let n = f64::from(n);
                let work = [1000.0 * n, 70.0 * n * n, 900.0 / n, 300.0 * (n % 4.0), 1.0];
                let instructions = work.iter().zip(truth).map(|(x, f)| x * f).sum();
                Sample { work, instructions, real: true }
            })
            .collect();
        for Sample { work, instructions, .. } in &samples {
            let sum: f64 = work.iter().zip(fit(&samples)).map(|(x, f)| x * f).sum();
            assert!((sum / instructions - 1.0).abs() < 0.01, "{sum} for {instructions}");
        }
    }
}
