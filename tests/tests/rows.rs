//! Rows instead of images: what `--favour memory` writes keeps its budgets, costs few instructions
//! more and computes the same, whether the image is there or comes row by row.

use std::collections::BTreeSet;

use converter::arena::ArenaPlan;
use converter::quantized::{QuantizedLayer, QuantizedNetwork};
use converter::{Conversion, Converter, Favour, reference, tflite};
use firmware_core::LayerKind;
use inkling_data::Dataset;
use tests::generated::{self, Program};
use tests::mcu::{CORES, Toolchain};
use tests::networks::{REFERENCES, Reference};
use tests::structures::{ALL, CLASSES, SIDE, Structure, network};
use tests::tflite_micro::{MODELS, committed};
use tests::{random_images, scratch};

/// Most bytes of the arena and of what kernels write on a microcontroller's stack.
const BUDGETS: [(&str, usize); 5] =
    [("mnist5", 3 << 10), ("ic", 14 << 10), ("kws", 7 << 10), ("vww", 20 << 10), ("ad", 768)];

/// Bytes that the kernels of a network's convolutions write beside inputs and outputs: four sums for each output
/// channel, 64 channels at most, and what firmware-core's `tile.rs` asserts to be enough for a patch and the copies of
/// what it covers.
fn kernels(network: &QuantizedNetwork) -> usize {
    let convolutions = network.layers.iter().filter(|layer| {
        layer.kind() == LayerKind::Conv2d || layer.kind() == LayerKind::Conv2dMaxPool2d
    });
    let of_layer = |layer: &QuantizedLayer| 16 * layer.output.channels.min(64) + 768;
    convolutions.map(of_layer).max().unwrap_or(0)
}

fn reference(name: &str) -> &'static Reference {
    REFERENCES.iter().find(|network| network.name == name).expect("a network of the list")
}

#[test]
fn arenas_are_within_their_budgets() {
    assert_eq!(REFERENCES.map(|network| network.name), BUDGETS.map(|(name, _)| name));
    for (network, (name, budget)) in REFERENCES.iter().zip(BUDGETS) {
        let conversion = network.convert_for(Favour::Memory);
        let (bytes, kernels) = (conversion.arena.bytes, kernels(&conversion.network));
        println!("{name}: {bytes} bytes of arena, {} with what kernels write", bytes + kernels);
        assert!(bytes + kernels <= budget, "{name}: {bytes} bytes of arena, {kernels} of kernels");
        let whole = network.convert().arena;
        assert!(whole.stream.is_none() && whole.bytes >= bytes, "{name}");
        let said = conversion.report_markdown();
        let streamed = conversion.arena.stream.is_some();
        assert_eq!(said.contains("row by row, where whole images would take"), streamed, "{name}");
        assert_eq!(streamed, name != "ad", "{name}");
    }
}

/// Two inputs: ones everywhere, and random ones.
fn inputs(network: &Reference) -> Dataset {
    network.samples(2).subset(&[1, 2])
}

/// Layers that need more than this, in percent of what they need for whole images, are named.
const NAMED_PERCENT: u64 = 105;

/// Each network needs at most so many instructions, in percent of those with whole images.
fn on_core(core: &str, networks: &[(&str, u64)]) {
    let what = format!("rows instead of images on {core}");
    let Some(toolchain) = Toolchain::or_skip(&what) else { return };
    let core = CORES.iter().find(|known| known.name == core).expect("a core of the list");
    for (network, most) in networks.iter().map(|(name, most)| (reference(name), most)) {
        let inputs = inputs(network);
        let bytes = inputs.batch(0..inputs.len());
        let cost = |favour: Favour| {
            let folder = scratch(&format!("rows-{}-{}-{}", core.name, network.name, favour.name()));
            let conversion: Conversion = network.convert_for(favour);
            conversion.write(&folder, &inputs, "").expect("the scratch folder takes it");
            let cost = core
                .cost(&toolchain, &folder, &bytes, inputs.image_size())
                .unwrap_or_else(|error| panic!("{}: {error}", network.name));
            let expected = reference::all_logits(&conversion.network, &inputs).concat();
            assert!(cost.logits() == expected, "{}, {favour:?}", network.name);
            let _ = std::fs::remove_dir_all(&folder);
            (cost, conversion.arena.bytes)
        };
        let [(time, whole), (memory, rows)] = [Favour::Time, Favour::Memory].map(cost);
        let percent = memory.instructions * 1000 / time.instructions;
        println!(
            "{} on {}: {} -> {} instructions ({}.{} %), arena {whole} -> {rows} bytes, kernels {} -> {}, \
             stack {} -> {}",
            network.name,
            core.name,
            time.instructions,
            memory.instructions,
            percent / 10,
            percent % 10,
            time.kernels,
            memory.kernels,
            time.stack,
            memory.stack
        );
        for (layer, (time, memory)) in time.layers.iter().zip(&memory.layers).enumerate() {
            if memory * 100 > time * NAMED_PERCENT {
                println!("  of which layer {layer}: {time} -> {memory}");
            }
        }
        assert!(percent <= *most * 10, "{} on {}", network.name, core.name);
    }
}

#[test]
fn cortex_m0_computes_the_same_at_little_cost() {
    on_core("Cortex-M0", &[("mnist5", 104), ("ic", 101), ("kws", 102), ("vww", 101)]);
}

#[test]
fn cortex_m4_computes_the_same_at_little_cost() {
    on_core("Cortex-M4F", &[("mnist5", 104), ("ic", 101), ("kws", 102), ("vww", 102)]);
}

#[test]
fn cortex_m3_computes_the_same_at_little_cost() {
    on_core("Cortex-M3", &[("mnist5", 102), ("ic", 101), ("kws", 103), ("vww", 102)]);
}

#[test]
fn cortex_m55_computes_the_same_at_little_cost() {
    on_core("Cortex-M55 with MVE", &[("mnist5", 104), ("ic", 105), ("kws", 104), ("vww", 102)]);
}

#[test]
fn riscv_computes_the_same_at_little_cost() {
    on_core("RV32IMC", &[("mnist5", 105), ("ic", 103), ("kws", 105), ("vww", 103)]);
}

/// What generated code says of samples, and what the host's integers are.
#[derive(Default)]
struct Cases {
    programs: Vec<(String, String, Vec<u8>)>,
    expected: Vec<Vec<u8>>,
    /// The kinds of layers that run row by row.
    kinds: BTreeSet<&'static str>,
}

impl Cases {
    fn add(
        &mut self,
        name: String,
        (code, network, arena): (String, &QuantizedNetwork, &ArenaPlan),
        inputs: Vec<u8>,
    ) {
        let samples = inputs.chunks(network.input.size());
        let outputs = samples.flat_map(|sample| reference::outputs(network, sample));
        self.expected.push(outputs.map(|output| output as u8).collect());
        self.programs.push((name, code, inputs));
        if let Some(plan) = &arena.stream {
            let [first, end] = plan.schedule.layers;
            self.kinds.extend(network.layers[first..end].iter().map(|layer| layer.kind().name()));
        }
    }

    /// Compiles and runs all, with each image as a whole and row by row.
    fn check(&self, folder: &str) {
        let programs: Vec<Program> = self
            .programs
            .iter()
            .map(|(module, code, inputs)| Program {
                module,
                code: code.clone(),
                inputs: inputs.clone(),
            })
            .collect();
        let got = generated::outputs(folder, &programs);
        for ((name, ..), (got, expected)) in
            self.programs.iter().zip(got.iter().zip(&self.expected))
        {
            assert!(got == expected, "{name}");
        }
    }
}

#[test]
fn structures_compute_the_same() {
    let mut cases = Cases::default();
    let images = random_images(6, 5, SIDE, SIDE, CLASSES);
    for structure in ALL {
        let seeds = if structure == Structure::RandomGeometry { 0..5 } else { 0..1 };
        for seed in seeds {
            let onnx = network(structure, seed, 17);
            let converter = Converter::new("net", &onnx).favour(Favour::Memory);
            let conversion = converter.convert(&images).expect("it converts");
            let name = format!("{structure:?}_{seed}").to_lowercase();
            let model = (conversion.model_rs(), &conversion.network, &conversion.arena);
            cases.add(name, model, images.batch(0..images.len()));
        }
    }
    for kind in
        ["conv2d", "depthwise_conv2d", "grouped_conv2d", "max_pool2d", "average_pool2d", "add"]
    {
        assert!(cases.kinds.contains(kind), "no structure streams {kind}: {:?}", cases.kinds);
    }
    cases.check("rows-structures");
}

/// The reference networks, and imported models with their zero points and paddings.
#[test]
fn networks_compute_the_same() {
    let mut cases = Cases::default();
    for network in &REFERENCES {
        let conversion = network.convert_for(Favour::Memory);
        let inputs = inputs(network);
        let model = (conversion.model_rs(), &conversion.network, &conversion.arena);
        cases.add(network.name.to_string(), model, inputs.batch(0..inputs.len()));
    }
    let mut rng = fastrand::Rng::with_seed(3);
    for path in MODELS.map(committed) {
        let name = path.file_stem().expect("a file's name").to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).expect("the model is there");
        let conversion = tflite::convert(&name, &bytes, Favour::Memory);
        let conversion = conversion.unwrap_or_else(|error| panic!("{name}: {error}"));
        let network = &conversion.network;
        let size = 3 * network.input.size();
        let inputs: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(size).collect();
        let model = (conversion.model_rs(), network, &conversion.arena);
        cases.add(format!("imported_{name}"), model, inputs);
    }
    cases.check("rows-networks");
}

/// `firmware-core/examples/rows` has the code that is written today.
#[test]
fn the_example_is_what_the_converter_writes() {
    let images = random_images(6, 20, SIDE, SIDE, CLASSES);
    let onnx = network(Structure::Residual, 0, 17);
    let converter = Converter::new("rows", &onnx).favour(Favour::Memory);
    let code = converter.convert(&images).expect("it converts").model_rs();
    let committed = tests::root().join("firmware-core/examples/rows/model.rs");
    if std::fs::read_to_string(&committed).ok().as_ref() != Some(&code) {
        let folder = scratch("rows-example");
        std::fs::write(folder.join("model.rs"), code).expect("the scratch folder takes it");
        panic!("{} is another; the new one is in {}", committed.display(), folder.display());
    }
}
