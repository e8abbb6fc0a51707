//! The networks that are compared with other libraries': they have the shapes they claim, and their
//! integers are the same in the host reference, in tract and on a core.

use converter::{prove, reference};
use tests::mcu::{CORES, Toolchain};
use tests::networks::REFERENCES;
use tests::scratch;

#[test]
fn shapes_are_those_that_others_measure() {
    for network in &REFERENCES {
        let layers = network.convert().network.layers;
        let macs: usize = layers.iter().map(|layer| layer.macs()).sum();
        let weights: usize =
            layers.iter().filter_map(|l| Some(l.parameters()?.weights.len())).sum();
        // Where a sum or a mean is lowered to layers of its own there may be a few more.
        assert_eq!((macs, weights), (network.macs, network.weights), "{}", network.name);
    }
}

#[test]
fn integers_equal_tract() {
    for network in &REFERENCES {
        let (conversion, inputs) = (network.convert(), network.samples(2));
        let agreement = prove::against_tract(&conversion.network, &conversion.int8_onnx(), &inputs)
            .unwrap_or_else(|error| panic!("{}: {error:?}", network.name));
        assert_eq!(agreement.mismatches, 0, "{}", network.name);
        // Random weights could make a network that says the same to everything.
        let logits = reference::all_logits(&conversion.network, &inputs);
        assert!(logits.windows(2).any(|pair| pair[0] != pair[1]), "{}", network.name);
    }
}

#[test]
fn a_core_computes_every_output() {
    let Some(toolchain) = Toolchain::or_skip("the reference networks on a core") else { return };
    let core = CORES.iter().find(|core| core.name == "Cortex-M4F").expect("a core of the list");
    for network in &REFERENCES {
        let folder = scratch(&format!("reference-{}", network.name));
        let (conversion, inputs) = network.write(&folder);
        let inputs = inputs.subset(&[0, 1, 2]);
        let bytes = inputs.batch(0..inputs.len());
        let cost = core
            .cost(&toolchain, &folder, &bytes, inputs.image_size())
            .unwrap_or_else(|error| panic!("{}: {error}", network.name));
        let expected = reference::all_logits(&conversion.network, &inputs).concat();
        assert!(cost.logits() == expected, "{}", network.name);
        assert!(cost.instructions > network.macs as u64 / 2, "{}: {cost:?}", network.name);
        let _ = std::fs::remove_dir_all(&folder);
    }
}
