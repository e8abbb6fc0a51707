//! Networks of every supported structure: read as tract reads them, and with integers that are the
//! same in the host reference, in tract, in ONNX Runtime and in the generated code.

use std::collections::BTreeSet;
use std::fmt::Write;

use converter::onnx::{Attribute, Dim, ElementType, ModelBuilder};
use converter::passes::PixelScale;
use converter::{Conversion, Converter, prove, reference};
use firmware_core::LayerKind;
use inkling_data::Dataset;
use tests::structures::{ALL, CLASSES, SIDE, Structure, network};
use tests::{generated, onnxruntime, random_images};

/// Seeds for a structure: more of them where they draw the shapes as well.
fn seeds(structure: Structure) -> std::ops::Range<u64> {
    if structure == Structure::RandomGeometry { 0..30 } else { 0..6 }
}

/// Operator sets before and after each change to the operators used here.
const OPSETS: [i64; 5] = [11, 13, 17, 18, 21];

fn convert(structure: Structure, seed: u64, images: &Dataset) -> Conversion {
    let onnx = network(structure, seed, OPSETS[seed as usize % OPSETS.len()]);
    Converter::new("net", &onnx)
        .convert(images)
        .unwrap_or_else(|error| panic!("{structure:?}, seed {seed}: {error}"))
}

#[test]
fn tract_reads_the_same() {
    let images = random_images(1, 8, SIDE, SIDE, CLASSES);
    let pixels = [PixelScale::default()];
    for structure in ALL {
        for (seed, opset) in (0..).zip(OPSETS) {
            let onnx = network(structure, seed, opset);
            let read = Converter::new("net", &onnx).lower();
            let read = read.unwrap_or_else(|error| panic!("{structure:?}, opset {opset}: {error}"));
            let reading = prove::reading(&read, &onnx, &pixels, &images).expect("is confirmed");
            assert!(
                matches!(reading, prove::Reading::Tract(error) if error < 1e-5),
                "{structure:?}, opset {opset}: {reading:?}"
            );
        }
    }
}

#[test]
fn integers_equal_tract() {
    let images = random_images(2, 100, SIDE, SIDE, CLASSES);
    for structure in ALL {
        for seed in seeds(structure) {
            let conversion = convert(structure, seed, &images);
            let agreement =
                prove::against_tract(&conversion.network, &conversion.int8_onnx(), &images)
                    .unwrap_or_else(|error| panic!("{structure:?}, seed {seed}: {error:?}"));
            assert_eq!(agreement.logits, images.len() * CLASSES);
            assert_eq!(agreement.mismatches, 0, "{structure:?}, seed {seed}");
        }
    }
}

#[test]
fn integers_equal_onnx_runtime() {
    let what = "structures in ONNX Runtime";
    let Some(backend) = onnxruntime::start(what) else { return };
    let images = random_images(3, 100, SIDE, SIDE, CLASSES);
    for structure in ALL {
        for seed in seeds(structure) {
            let conversion = convert(structure, seed, &images);
            let theirs =
                onnxruntime::int8_logits(&backend, &conversion.int8_onnx(), CLASSES, &images);
            let ours = reference::all_logits(&conversion.network, &images);
            assert!(ours == theirs, "{structure:?}, seed {seed}");
        }
    }
}

/// The integers stay near the float network: a layer that is exact but wrong would not.
#[test]
fn integers_are_close_to_float() {
    let images = random_images(4, 200, SIDE, SIDE, CLASSES);
    for structure in ALL {
        for seed in seeds(structure) {
            let conversion = convert(structure, seed, &images);
            let error = conversion.report.relative_errors.last().copied().unwrap_or(1.0);
            // A square doubles the error of what it is taken of, and spreads the range of its results.
            let bound = if structure == Structure::Functions { 0.15 } else { 0.1 };
            assert!(error < bound, "{structure:?}, seed {seed}: the logits are off by {error:.3}");
        }
    }
}

#[test]
fn every_kernel_is_used() {
    let images = random_images(5, 20, SIDE, SIDE, CLASSES);
    let conversions = ALL.map(|structure| convert(structure, 2, &images));
    let kinds: BTreeSet<&str> = conversions
        .iter()
        .flat_map(|conversion| &conversion.network.layers)
        .map(|layer| layer.kind().name())
        .collect();
    let code: String = conversions.iter().map(Conversion::model_rs).collect();
    // A sum or a leaky ReLU in the place of its input, two inputs in the arena, and a clipping.
    for call in [
        "LeakyRelu::<",
        ".forward_in_place(y)",
        "forward_in_place(x, y)",
        "arena.triple",
        "Clip<0, ",
    ] {
        assert!(code.contains(call), "no generated model contains {call:?}");
    }
    for kind in [
        LayerKind::Conv2d,
        LayerKind::Conv2dMaxPool2d,
        LayerKind::MaxPool2d,
        LayerKind::FullyConnected,
        LayerKind::DepthwiseConv2d,
        LayerKind::GroupedConv2d,
        LayerKind::AveragePool2d,
        LayerKind::Add,
        LayerKind::Concat,
        LayerKind::LeakyRelu,
        LayerKind::Lookup,
        LayerKind::Mul,
        LayerKind::Gather,
        LayerKind::PRelu,
        LayerKind::AveragePool2dInside,
    ] {
        assert!(kinds.contains(kind.name()), "{} is missing in {kinds:?}", kind.name());
    }
}

/// The generated code of every structure compiles without a warning and computes the same logits.
#[test]
fn generated_code_computes_the_same() {
    let images = random_images(6, 40, SIDE, SIDE, CLASSES);
    let mut modules = Vec::new();
    let mut calls = String::new();
    let mut expected = String::new();
    for structure in ALL {
        for seed in 0..2 {
            let conversion = convert(structure, seed, &images);
            let module = format!("{structure:?}_{seed}").to_lowercase();
            let _ = writeln!(
                calls,
                "    for image in &images {{\n        \
                 let mut arena = Arena::filled_with(0xa5);\n        \
                 println!(\"{{:?}}\", {module}::infer(image, &mut arena));\n    }}"
            );
            for logits in reference::all_logits(&conversion.network, &images) {
                let _ = writeln!(expected, "{logits:?}");
            }
            modules.push((module, conversion.model_rs()));
        }
    }
    let printed = generated::printed("structures", &modules, &calls, &images);
    assert!(printed == expected, "the generated code computes other logits");
}

/// The same file and images give the same bytes.
#[test]
fn conversion_is_deterministic() {
    let images = random_images(7, 60, SIDE, SIDE, CLASSES);
    for structure in ALL {
        let (one, two) = (convert(structure, 3, &images), convert(structure, 3, &images));
        assert_eq!(one.model_rs(), two.model_rs(), "{structure:?}");
        assert_eq!(one.int8_onnx(), two.int8_onnx(), "{structure:?}");
    }
}

/// Damaged files of every structure are refused or read; none makes the converter panic.
#[test]
fn damaged_files_never_panic() {
    let images = random_images(8, 2, SIDE, SIDE, CLASSES);
    let mut rng = fastrand::Rng::with_seed(1);
    for structure in ALL {
        let onnx = network(structure, 1, 17);
        for round in 0..3000 {
            let mut damaged = onnx.clone();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..damaged.len());
                damaged[at] ^= 1 << rng.u8(..8);
            }
            let converter = Converter::new("damaged", &damaged);
            let _ = match round % 10 {
                0 => converter.convert(&images).map(|conversion| conversion.model_rs()).map(drop),
                _ => converter.lower().map(drop),
            };
        }
    }
}

/// A file with `op` over one image of two channels; further inputs are constants.
fn one_node(op: &str, constants: &[Tensor], attributes: &[(&str, Attribute)]) -> Vec<u8> {
    let mut model = ModelBuilder::new("one").with_opset(17);
    let dims = [Dim::Symbol("N"), 2.into(), 8.into(), 8.into()];
    let mut inputs = vec![model.input("input", ElementType::F32, &dims)];
    for (index, constant) in constants.iter().enumerate() {
        let name = format!("constant_{index}");
        inputs.push(match constant {
            Tensor::Image => inputs[0].clone(),
            Tensor::None => String::new(),
            Tensor::Floats(dims, value) => {
                let values = vec![*value; dims.iter().product()];
                model.initializer(&name, dims, &values)
            }
            Tensor::Ints(values) => model.initializer(&name, &[values.len()], values),
        });
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let y = model.node(op, "the_node", &inputs, attributes);
    model.output(&y, ElementType::F32, &dims);
    model.finish()
}

enum Tensor<'a> {
    Image,
    None,
    Floats(&'a [usize], f32),
    Ints(&'a [i64]),
}

/// What has no exact integer form, or none yet, is refused in one line that says what to do.
#[test]
fn what_is_not_supported_is_said_at_its_node() {
    use Tensor::{Floats, Image, Ints, None};
    let scalar = |value| Floats(&[], value);
    let ints = |values: &[i64]| Attribute::Ints(values.to_vec());
    let cases = [
        (one_node("Unique", &[], &[]), "supported: Add"),
        (one_node("Sin", &[], &[]), "HardSwish"),
        (one_node("Clip", &[scalar(1.0), scalar(-1.0)], &[]), "leave nothing"),
        (one_node("Min", &[Floats(&[2, 1, 1], 1.0)], &[]), "one constant"),
        (one_node("Pow", &[scalar(0.5)], &[]), "exponent 0.5"),
        (one_node("Slice", &[Ints(&[1]), Ints(&[1]), Ints(&[1])], &[]), "empty"),
        (
            one_node(
                "Resize",
                &[None, scalar(1.0)],
                &[("mode", Attribute::String("linear".into()))],
            ),
            "use nearest",
        ),
        (
            one_node(
                "AveragePool",
                &[],
                &[
                    ("kernel_shape", ints(&[3, 3])),
                    ("pads", ints(&[1, 1, 1, 1])),
                    ("strides", ints(&[3, 3])),
                    ("ceil_mode", Attribute::Int(1)),
                    ("count_include_pad", Attribute::Int(1)),
                ],
            ),
            "count_include_pad",
        ),
        (one_node("Div", &[Image], &[]), "of two values only Add"),
        (one_node("Sum", &[Image, Image], &[]), "expected two"),
        (one_node("Concat", &[Image], &[("axis", Attribute::Int(2))]), "along the channels"),
        (
            one_node("Pad", &[Ints(&[0; 8])], &[("mode", Attribute::String("reflect".into()))]),
            "mode reflect",
        ),
        (
            one_node("Pad", &[Ints(&[0, 0, 1, 0, 0, 0, 0, 0]), scalar(1.0)], &[]),
            "another value than 0",
        ),
        (one_node("Pad", &[Ints(&[0, 1, 0, 0, 0, 0, 0, 0])], &[]), "axis 1"),
        (one_node("Pad", &[Ints(&[0, 0, -1, 0, 0, 0, 0, 0])], &[]), "0 to 64"),
        (one_node("Pad", &[Ints(&[0, 0, 1, 0, 0, 0, 0, 0])], &[]), "followed by a convolution"),
        (one_node("ReduceMean", &[], &[("axes", ints(&[1]))]), "height and width"),
        (
            one_node("Conv", &[Floats(&[3, 1, 1, 1], 1.0)], &[("group", Attribute::Int(2))]),
            "2 groups",
        ),
        (
            one_node("Conv", &[Floats(&[4, 2, 1, 1], 1.0)], &[("group", Attribute::Int(2))]),
            "2 groups",
        ),
        (
            one_node("Conv", &[Floats(&[4, 2, 1, 1], 1.0)], &[("group", Attribute::Int(0))]),
            "0 groups",
        ),
    ];
    for (onnx, part) in cases {
        let error = Converter::new("net", &onnx).lower().err().expect("is refused").to_string();
        assert!(
            error.contains(part) && error.contains("'the_node'"),
            "{part:?} is missing in {error:?}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
