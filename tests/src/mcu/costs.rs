//! What `converter inspect` estimates from: instructions of layers, counted in QEMU, and a sum fitted
//! to them for each kind of layer on each core.

use std::collections::BTreeMap;
use std::path::Path;

use converter::inspect::BOARDS;
use converter::inspect::costs::{CoreCosts, FEATURES, Factors, kind, to_json, work};
use converter::quantized::QuantizedNetwork;
use converter::{Converter, Favour, tflite};

use super::Toolchain;
use super::cores::{CORES, Core};
use crate::networks::{REFERENCES, digits};
use crate::structures::{CLASSES, SIDE, Structure, network};
use crate::tflite_micro::{MODELS, committed};

/// Kinds of layers that the reference networks do not have.
const STRUCTURES: [Structure; 7] = [
    Structure::Signed,
    Structure::Dense,
    Structure::Grouped,
    Structure::Leaky,
    Structure::Functions,
    Structure::Excite,
    Structure::Moving,
];

/// Committed models whose weights have eight bits.
const COMMITTED: [&str; 4] = ["digits-2k", "digits-5k", "digits-16k", "simple"];

/// A layer that was counted: its kind, its work, and its instructions.
type Counted = (String, [f64; FEATURES], f64);

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
    let mut count = |name: &str, folder: &Path, network: &QuantizedNetwork, inputs: &[u8]| {
        eprintln!("counting {name} on {}", core.name);
        let cost = core.cost(toolchain, folder, inputs, network.input.size())?;
        for (layer, &instructions) in network.layers.iter().zip(&cost.layers) {
            layers.push((kind(layer), work(network, layer), instructions as f64));
        }
        (code, stack) = (code.max(cost.kernels as usize), stack.max(cost.stack as usize));
        Ok::<(), String>(())
    };
    let scratch = crate::scratch("costs");
    for reference in REFERENCES {
        let (conversion, inputs) = reference.write(&scratch);
        // The largest of them; two inputs tell as much as twenty.
        count(reference.name, &scratch, &conversion.network, &inputs.batch(2..4))?;
    }
    for structure in STRUCTURES {
        let images = crate::random_images(11, 4, SIDE, SIDE, CLASSES);
        let conversion = Converter::new("structure", &network(structure, 3, 17))
            .convert(&images)
            .map_err(|error| error.to_string())?;
        conversion.write(&scratch, &images, "").map_err(|error| error.to_string())?;
        count(&format!("{structure:?}"), &scratch, &conversion.network, &images.batch(0..4))?;
    }
    for name in MODELS {
        let tflite = std::fs::read(committed(name)).map_err(|error| error.to_string())?;
        let model = tflite::convert(name, &tflite, Favour::Time).map_err(|e| e.to_string())?;
        model.write(&scratch).map_err(|error| error.to_string())?;
        let network = &model.network;
        let mut rng = fastrand::Rng::with_seed(5);
        let inputs: Vec<u8> = (0..4 * network.input.size()).map(|_| rng.u8(..)).collect();
        count(name, &scratch, network, &inputs)?;
    }
    let _ = std::fs::remove_dir_all(&scratch);
    for name in COMMITTED {
        let folder = crate::root().join("models").join(name);
        let folder = folder.canonicalize().map_err(|error| error.to_string())?;
        let onnx = std::fs::read(folder.join("float.onnx")).map_err(|error| error.to_string())?;
        let network = Converter::new(name, &onnx).sketch().map_err(|error| error.to_string())?;
        count(name, &folder, &network, &digits().batch(0..4))?;
    }
    Ok(CoreCosts { layers: fit_all(&layers), code, stack })
}

fn fit_all(counted: &[Counted]) -> BTreeMap<String, Factors> {
    let mut kinds: BTreeMap<&str, Vec<(Factors, f64)>> = BTreeMap::new();
    for (kind, work, instructions) in counted {
        kinds.entry(kind).or_default().push((*work, *instructions));
    }
    kinds.into_iter().map(|(kind, samples)| (kind.to_string(), fit(&samples))).collect()
}

/// The factors, none negative, whose sums have the least squared relative error: coordinate descent,
/// each step the best value of one factor.
fn fit(samples: &[(Factors, f64)]) -> Factors {
    const ROUNDS: usize = 20_000;
    let mut factors = [0.0; FEATURES];
    let rows: Vec<Factors> = samples.iter().map(|(work, y)| work.map(|x| x / y)).collect();
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
    use super::fit;

    #[test]
    fn a_fit_finds_the_factors() {
        let truth = [1.5, 0.25, 12.0, 300.0];
        let samples: Vec<_> = (1..12)
            .map(|n| {
                let n = f64::from(n);
                let work = [1000.0 * n, 70.0 * n * n, 900.0 / n, 1.0];
                (work, work.iter().zip(truth).map(|(x, f)| x * f).sum())
            })
            .collect();
        for (work, y) in &samples {
            let sum: f64 = work.iter().zip(fit(&samples)).map(|(x, f)| x * f).sum();
            assert!((sum / y - 1.0).abs() < 0.01, "{sum} for {y}");
        }
    }
}
