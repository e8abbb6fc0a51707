//! Whole networks with weights of four bits, packed: exact in the generated code on the host and on
//! emulated cores, half as large, and not slower than the same networks with eight.

use converter::quantize::{Bits, LayerBits};
use converter::{Converter, Favour, reference};
use inkling_data::Dataset;
use tests::generated::{self, Program};
use tests::mcu::{CORES, Toolchain};
use tests::networks::{REFERENCES, Reference};
use tests::structures::{ALL, CLASSES, SIDE, network};
use tests::{random_images, scratch};

fn bits(inner: u8) -> Bits {
    Bits::new(inner, LayerBits::new())
}

fn reference(name: &str) -> &'static Reference {
    REFERENCES.iter().find(|network| network.name == name).expect("a network of the list")
}

/// Three inputs: zeros, ones everywhere, and random ones.
fn inputs(network: &Reference) -> Dataset {
    network.samples(2).subset(&[0, 1, 2])
}

/// Compares a network's logits on a core, whole and row by row, and its instructions, in percent of those
/// with eight bits.
fn on_core(core: &str, name: &str, most_percent: u64) {
    let what = format!("weights of four bits on {core}");
    let Some(toolchain) = Toolchain::or_skip(&what) else { return };
    let core = CORES.iter().find(|known| known.name == core).expect("a core of the list");
    let network = reference(name);
    let inputs = inputs(network);
    let bytes = inputs.batch(0..inputs.len());
    let cost = |inner: u8, favour: Favour| {
        let folder = scratch(&format!("four-bits-{}-{name}-{inner}", core.name));
        let conversion = network.convert_with(favour, bits(inner));
        conversion.write(&folder, &inputs, "").expect("the scratch folder takes it");
        let cost = core
            .cost(&toolchain, &folder, &bytes, inputs.image_size())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = reference::all_logits(&conversion.network, &inputs).concat();
        assert!(cost.logits() == expected, "{name}, {inner} bits, {favour:?}");
        // What the report counts is what lies in flash, but for sums of weights and, with rows, the
        // schedule; the one requantization of an average pooling may be in the code.
        let said = conversion.network.parameter_bytes() as u64;
        let most = said + if favour == Favour::Time { said / 4 } else { said };
        assert!((said - 4..most).contains(&cost.weights), "{said} of {}", cost.weights);
        let _ = std::fs::remove_dir_all(&folder);
        cost
    };
    let (eight, four) = (cost(8, Favour::Time), cost(4, Favour::Time));
    let percent = four.instructions * 1000 / eight.instructions;
    println!(
        "{name} on {}: {} -> {} instructions ({}.{} %), weights {} -> {} bytes, kernels {} -> {}, \
         stack {} -> {}",
        core.name,
        eight.instructions,
        four.instructions,
        percent / 10,
        percent % 10,
        eight.weights,
        four.weights,
        eight.kernels,
        four.kernels,
        eight.stack,
        four.stack
    );
    for (index, (eight, four)) in eight.layers.iter().zip(&four.layers).enumerate() {
        println!("  layer {index}: {eight} -> {four}");
    }
    assert!(percent <= most_percent * 10, "{name} on {}: {percent} per mille", core.name);
    assert!(four.weights * 100 < eight.weights * 70, "{} of {}", four.weights, eight.weights);
    if core.name == "Cortex-M0" {
        cost(4, Favour::Memory);
    }
}

/// Structures for time and for memory, in the code that is generated.
#[test]
fn generated_code_computes_the_same_on_the_host() {
    let images = random_images(6, 5, SIDE, SIDE, CLASSES);
    let (mut programs, mut expected) = (Vec::new(), Vec::new());
    let mut packed = String::new();
    for structure in ALL {
        for favour in [Favour::Time, Favour::Memory] {
            let onnx = network(structure, 0, 17);
            let converter = Converter::new("net", &onnx).favour(favour).bits(bits(4));
            let conversion = converter.convert(&images).expect("it converts");
            let code = conversion.model_rs();
            packed.extend(code.lines().filter(|line| line.contains(", FourBits<")));
            let logits = reference::all_logits(&conversion.network, &images).concat();
            expected.push(logits.into_iter().map(|logit| logit as u8).collect::<Vec<u8>>());
            programs.push((format!("{structure:?}_{}", favour.name()).to_lowercase(), code));
        }
    }
    for layer in ["Conv2d<", "DepthwiseConv2d<", "FullyConnected<"] {
        assert!(packed.contains(&format!(": {layer}")), "no structure packs {layer}");
    }
    let programs: Vec<Program> = programs
        .iter()
        .map(|(module, code)| Program {
            module,
            code: code.clone(),
            inputs: images.batch(0..images.len()),
        })
        .collect();
    let got = generated::outputs("four-bits-structures", &programs);
    for (program, (got, expected)) in programs.iter().zip(got.iter().zip(&expected)) {
        assert!(got == expected, "{}", program.module);
    }
}

#[test]
fn cortex_m0() {
    on_core("Cortex-M0", "mnist5", 100);
    on_core("Cortex-M0", "kws", 100);
}

#[test]
fn cortex_m4() {
    on_core("Cortex-M4F", "mnist5", 110);
    on_core("Cortex-M4F", "kws", 110);
}

#[test]
fn rv32imc() {
    on_core("RV32IMC", "mnist5", 100);
    on_core("RV32IMC", "kws", 100);
}
