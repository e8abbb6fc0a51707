//! Weights of four bits: their integers are in range and the same in the host reference, in tract and
//! in ONNX Runtime; what says which layers have them, and what refuses it.

use converter::quantize::{Bits, LayerBits, USUAL_BITS};
use converter::quantized::QuantizedNetwork;
use converter::record::ModelRecord;
use converter::{Conversion, Converter, prove, reference};
use inkling_data::Dataset;
use tests::structures::{ALL, CLASSES, SIDE, Structure, network};
use tests::{onnxruntime, random_images};

const SEEDS: std::ops::Range<u64> = 0..3;

fn convert(structure: Structure, seed: u64, images: &Dataset) -> Conversion {
    Converter::new("net", &network(structure, seed, 17))
        .bits(Bits::new(4, LayerBits::new()))
        .convert(images)
        .unwrap_or_else(|error| panic!("{structure:?}, seed {seed}: {error}"))
}

/// The names in the file and the largest weights of the layers whose weights have four bits.
fn four_bit_layers(network: &QuantizedNetwork) -> Vec<(String, u8)> {
    let weighted = network.layers.iter().filter_map(|layer| Some((layer, layer.parameters()?)));
    weighted
        .filter(|(_, parameters)| parameters.bits == 4)
        .map(|(layer, parameters)| {
            let largest = parameters.weights.iter().map(|weight| weight.unsigned_abs()).max();
            (layer.source_name.clone(), largest.unwrap_or(0))
        })
        .collect()
}

#[test]
fn integers_equal_tract_and_onnx_runtime() {
    let images = random_images(2, 60, SIDE, SIDE, CLASSES);
    let backend = onnxruntime::start("four bits in ONNX Runtime");
    let mut used = 0;
    for structure in ALL {
        for seed in SEEDS {
            let conversion = convert(structure, seed, &images);
            let layers = four_bit_layers(&conversion.network);
            assert!(layers.iter().all(|(_, largest)| *largest <= 7), "{structure:?}: {layers:?}");
            // The search for exponents does not leave the range unused.
            used += usize::from(layers.iter().any(|(_, largest)| *largest == 7));
            let onnx = conversion.int8_onnx();
            let agreement = prove::against_tract(&conversion.network, &onnx, &images)
                .unwrap_or_else(|error| panic!("{structure:?}, seed {seed}: {error:?}"));
            assert_eq!(agreement.mismatches, 0, "{structure:?}, seed {seed}");
            if let Some(backend) = &backend {
                let theirs = onnxruntime::int8_logits(backend, &onnx, CLASSES, &images);
                let ours = reference::all_logits(&conversion.network, &images);
                assert!(ours == theirs, "{structure:?}, seed {seed}");
            }
        }
    }
    assert!(used > ALL.len(), "only {used} networks have a weight of 7");
}

#[test]
fn record_and_card_say_which_layers() {
    let images = random_images(2, 60, SIDE, SIDE, CLASSES);
    let conversion = convert(Structure::Residual, 1, &images);
    let names: Vec<String> =
        four_bit_layers(&conversion.network).into_iter().map(|(name, _)| name).collect();
    assert!(!names.is_empty());
    let expected: LayerBits = names.iter().map(|name| (name.clone(), 4)).collect();
    assert_eq!(conversion.record.bits, expected);
    let card = conversion.report_markdown();
    let said = card.lines().filter(|line| line.contains("weights of 4 bits")).count();
    assert_eq!(said, names.len(), "{card}");

    // The record that travels in int8.onnx has them, and it makes the same model of float.onnx again.
    let record = ModelRecord::of_onnx(&conversion.int8_onnx()).expect("it is read").expect("ours");
    assert_eq!(record.bits, expected);
    let onnx = network(Structure::Residual, 1, 17);
    let again = Converter::new("net", &onnx).record(record).convert(&images).expect("it converts");
    assert_eq!(again.network, conversion.network);
    let eight = Converter::new("net", &onnx).convert(&images).expect("it converts");
    assert!(four_bit_layers(&eight.network).is_empty() && eight.record.bits.is_empty());
}

#[test]
fn layers_are_chosen_by_name() {
    let images = random_images(2, 60, SIDE, SIDE, CLASSES);
    let onnx = network(Structure::Residual, 1, 17);
    let of = |bits: &str| {
        let bits = bits.parse::<Bits>().expect("it is a choice");
        Converter::new("net", &onnx).bits(bits).convert(&images)
    };
    let all = four_bit_layers(&of("4").expect("it converts").network);
    let (name, _) = &all[0];
    assert_eq!(four_bit_layers(&of(&format!("{name}=4")).expect("it converts").network), all[..1]);
    let others = four_bit_layers(&of(&format!("4,{name}=8")).expect("it converts").network);
    let names = |layers: &[(String, u8)]| layers.iter().map(|(name, _)| name.clone()).collect();
    let (others, expected): (Vec<_>, Vec<_>) = (names(&others), names(&all[1..]));
    assert_eq!(others, expected);

    let error = of("nowhere=4").err().expect("there is no such layer").to_string();
    assert!(
        error.contains("'nowhere'") && error.contains(name) && !error.contains('\n'),
        "{error}"
    );
    assert!(of(&format!("nowhere={USUAL_BITS}")).is_err());
}

#[test]
fn grouped_convolutions_keep_eight_bits() {
    let images = random_images(2, 60, SIDE, SIDE, CLASSES);
    let grouped = |network: &QuantizedNetwork| {
        let found = network
            .layers
            .iter()
            .find(|layer| layer.kind() == firmware_core::LayerKind::GroupedConv2d);
        found.map(|layer| layer.source_name.clone())
    };
    let found = ALL
        .iter()
        .flat_map(|&structure| SEEDS.map(move |seed| (structure, seed)))
        .find_map(|(structure, seed)| {
            let conversion = convert(structure, seed, &images);
            Some((structure, seed, grouped(&conversion.network)?))
        });
    let (structure, seed, name) = found.expect("some structure has one");
    let bits = format!("{name}=4").parse::<Bits>().expect("it is a choice");
    let error = Converter::new("net", &network(structure, seed, 17)).bits(bits).convert(&images);
    let error = error.err().expect("it is refused").to_string();
    assert!(error.contains(&name) && error.contains("grouped convolution"), "{error}");
}
