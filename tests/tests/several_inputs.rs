//! Networks of several inputs: read as the file says, with integers that are the same in the host
//! reference, in tract, in ONNX Runtime, in generated code and on an emulated core.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use converter::inspect::Inspection;
use converter::onnx::{Dim, ElementType, ModelBuilder};
use converter::passes::PixelScale;
use converter::prove::{self, Proof, Reading};
use converter::record::{InputRecord, ModelRecord};
use converter::verify::{self, VerifyArgs};
use converter::{Conversion, Converter, Favour, reference, restore};
use firmware_core::blob::Layout;
use inkling_data::{Dataset, planar_order};
use ort::value::TensorRef;
use tests::mcu::{MICROBIT, Program, Toolchain};
use tests::several::{ALL, CLASSES, Join};
use tests::{generated, onnxruntime, scratch};

const SEEDS: std::ops::Range<u64> = 0..3;

fn convert(join: Join, seed: u64, samples: &Dataset) -> Conversion {
    Converter::new("net", &join.onnx(seed))
        .convert(samples)
        .unwrap_or_else(|error| panic!("{join:?}, seed {seed}: {error}"))
}

#[test]
fn reading_and_integers_equal_tract() {
    for join in ALL {
        for seed in SEEDS {
            let samples = join.samples(seed + 10, 60);
            let conversion = convert(join, seed, &samples);
            let proof = Proof::of(&conversion, &samples, &samples)
                .unwrap_or_else(|error| panic!("{join:?}, seed {seed}: {error}"));
            assert!(matches!(proof.reading, Reading::Tract(off) if off < 1e-5), "{join:?}");
            assert_eq!(proof.integers.logits, samples.len() * CLASSES);
            // The interpreter says the same.
            let Conversion { float, source, pixels, .. } = &conversion;
            let off = prove::off_from_nodes(float, source, pixels, &samples).expect("it runs");
            assert!(off < 1e-5, "{join:?}: {off}");
            let error = conversion.report.relative_errors.last().copied().unwrap_or(1.0);
            assert!(error < 0.05, "{join:?}, seed {seed}: the logits are off by {error:.3}");
        }
    }
}

/// Every input of the record keeps its name, its shape and its own scale, and record and file alone give
/// the same integers again.
#[test]
fn each_input_has_its_own_scale() {
    let join = Join::Concat;
    let samples = join.samples(3, 60);
    let scales = [(1.0, 127.5, 64.0), (255.0, 0.25, 0.5), (16.0, 0.0, 2.0)];
    let scale = |(divisor, mean, deviation): (f32, f32, f32)| PixelScale {
        divisor,
        mean: mean.into(),
        deviation: deviation.into(),
    };
    let plain = convert(join, 1, &samples);
    let mut record = ModelRecord::new("net");
    record.inputs = plain.record.inputs.clone();
    for (input, given) in record.inputs.iter_mut().zip(scales) {
        let (divisor, mean, deviation) = given;
        input.preparation.divisor = Some(divisor);
        input.preparation.mean = Some(mean.into());
        input.preparation.deviation = Some(deviation.into());
    }
    let onnx = join.onnx(1);
    let conversion = Converter::new("net", &onnx).record(record).convert(&samples).expect("fits");
    assert_eq!(conversion.pixels, scales.map(scale));
    Proof::of(&conversion, &samples, &samples).expect("it is proven");
    let shown: Vec<_> =
        conversion.record.inputs.iter().map(|input| (&input.name[..], input.shape)).collect();
    assert_eq!(shown, join.inputs());
    let InputRecord { scale, offset, .. } = &conversion.record.inputs[0];
    assert_eq!((scale[0], offset[0]), (1.0 / 64.0, -127.5 / 64.0));
    let inspection = Inspection::new("", &conversion.network).with_pixels(&conversion.pixels);
    let scales: Vec<_> = inspection.inputs.iter().map(|input| &input.scale).collect();
    let recorded: Vec<_> = conversion.record.inputs.iter().map(|input| &input.scale).collect();
    assert_eq!(scales, recorded);
    let text = inspection.to_text();
    assert!(text.contains("inputs 'image' 12×12×1 u8, q is 0.015625 · q + -1.992188, "), "{text}");
    let (_, network) =
        restore(&conversion.source, &conversion.record, &conversion.int8_onnx()).expect("is whole");
    assert_eq!(network, conversion.network);
    assert_ne!(network, plain.network);
    assert_eq!(prove::int8_inputs(&conversion.int8_onnx()).expect("its inputs").len(), 3);
}

#[test]
fn integers_equal_onnx_runtime() {
    let what = "several inputs in ONNX Runtime";
    let Some(backend) = onnxruntime::start(what) else { return };
    for join in ALL {
        for seed in SEEDS {
            let samples = join.samples(seed + 20, 50);
            let conversion = convert(join, seed, &samples);
            let mut session = onnxruntime::exact_session(&backend, &conversion.int8_onnx());
            for (index, logits) in
                reference::all_logits(&conversion.network, &samples).into_iter().enumerate()
            {
                let mut first = 0;
                let parts: Vec<(&str, [usize; 4], Vec<u8>)> = join
                    .inputs()
                    .iter()
                    .map(|&(name, shape)| {
                        let [height, width, channels] = shape;
                        let part = &samples.image(index)[first..];
                        first += height * width * channels;
                        let planar = planar_order(shape).map(|place| part[place]).collect();
                        (name, [1, channels, height, width], planar)
                    })
                    .collect();
                let inputs: Vec<_> = parts
                    .iter()
                    .map(|(name, shape, values)| {
                        let tensor = TensorRef::from_array_view((*shape, &values[..]));
                        (*name, tensor.expect("shape and values agree"))
                    })
                    .collect();
                let outputs = session.run(inputs).expect("ONNX Runtime runs the model");
                let (_, theirs) = outputs["logits"].try_extract_tensor::<i32>().expect("i32");
                assert_eq!(theirs, logits, "{join:?}, seed {seed}, sample {index}");
            }
        }
    }
}

/// By an argument for each input and by whole samples, on an arena full of other bytes.
#[test]
fn generated_code_computes_the_same() {
    let folder = scratch("several-inputs");
    let mut main = String::from("#![deny(warnings)]\nuse firmware_core::Arena;\n");
    let (mut calls, mut expected) = (String::new(), String::new());
    for join in ALL {
        let samples = join.samples(30, 40);
        let conversion = convert(join, 2, &samples);
        let module = format!("{join:?}").to_lowercase();
        let code = conversion.model_rs();
        fs::write(folder.join(format!("{module}.rs")), &code).expect("is written");
        fs::write(folder.join(&module), samples.batch(0..samples.len())).expect("is written");
        let _ = writeln!(main, "mod {module};");
        let mut first = 0;
        let arguments: String = join
            .inputs()
            .iter()
            .map(|(_, shape)| {
                let part = format!("firmware_core::part::<_, {first}, _>(sample), ");
                first += shape.iter().product::<usize>();
                part
            })
            .collect();
        let _ = writeln!(
            calls,
            "    assert!({module}::verify());\n    \
             for sample in include_bytes!(\"{module}\").as_chunks::<{}>().0 {{\n        \
             let mut arena = Arena::filled_with(0xa5);\n        \
             let logits = {module}::infer({arguments}&mut arena);\n        \
             assert_eq!({module}::infer_sample(sample, &mut arena), logits);\n        \
             println!(\"{{logits:?}}\");\n    }}",
            join.size()
        );
        for logits in reference::all_logits(&conversion.network, &samples) {
            let _ = writeln!(expected, "{logits:?}");
        }
    }
    let _ = writeln!(main, "fn main() {{\n{calls}}}");
    let program = generated::compile(&folder, &main, false).unwrap_or_else(|e| panic!("{e}"));
    let output = Command::new(program).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout) == expected, "it computes other logits");
    let code = convert(Join::Concat, 2, &Join::Concat.samples(30, 40)).model_rs();
    for part in [
        "pub type Image = [[[u8; 1]; 12]; 12];",
        "pub type PenMovement = [[[u8; 3]; 16]; 1];",
        "image: &Image,\n    pen_movement: &PenMovement,\n    numbers: &Numbers,",
    ] {
        assert!(code.contains(part), "{part:?} is missing");
    }
    let _ = fs::remove_dir_all(folder);
}

/// The boards take the inputs as one block of bytes and answer with every logit.
#[test]
fn cortex_m0_computes_the_same() {
    let Some(toolchain) = Toolchain::or_skip("several inputs on a Cortex-M0") else { return };
    let folder = scratch("several-inputs-board");
    let join = Join::Concat;
    let samples = join.samples(40, 60);
    let conversion = convert(join, 0, &samples);
    let data = folder.join("data");
    join.write_arrays(&data, "train", &samples);
    join.write_arrays(&data, "test", &samples);
    conversion.write(&folder, &samples, "").expect("the scratch folder takes it");
    let elf = MICROBIT
        .try_build(&toolchain, Program::Demo, Some(("second-model", &folder)))
        .unwrap_or_else(|error| panic!("{error}"));
    let emulator = MICROBIT.start(&elf, &[]);
    let arguments = VerifyArgs {
        port: None,
        qemu: None,
        data: Some(data),
        model: folder.clone(),
        images: None,
        baud: 115_200,
        timeout: 60.0,
    };
    let result = verify::run_on(&emulator, &arguments).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((result.images, result.mismatches), (60, 0));
    let _ = fs::remove_dir_all(&folder);
}

/// A file whose inputs have these names, batches and sizes, all added up to the logits.
fn sum(inputs: &[(&str, Dim, usize)], read: usize) -> Vec<u8> {
    let mut model = ModelBuilder::new("sum").with_opset(17);
    let names: Vec<String> = inputs
        .iter()
        .map(|(name, batch, size)| {
            model.input(name, ElementType::F32, &[batch.clone(), (*size).into()])
        })
        .collect();
    let mut parts = Vec::new();
    for (number, name) in names.iter().enumerate().take(read) {
        let size = inputs[number].2;
        let weights = model.initializer(&format!("w{number}"), &[size, 3], &vec![0.5; 3 * size]);
        parts.push(model.node("MatMul", &format!("part{number}"), &[name, &weights], &[]));
    }
    let mut sum = parts[0].clone();
    for (number, part) in parts.iter().enumerate().skip(1) {
        sum = model.node("Add", &format!("sum{number}"), &[&sum, part], &[]);
    }
    let weights = model.initializer("w", &[3, 2], &[0.25; 6]);
    let logits = model.node("MatMul", "last", &[&sum, &weights], &[]);
    model.output(&logits, ElementType::F32, &[Dim::Symbol("N"), 2.into()]);
    model.finish()
}

#[test]
fn what_does_not_go_together_is_said() {
    let n = || Dim::Symbol("N");
    let cases = [
        (sum(&[("a", n(), 3), ("b", n(), 4)], 1), "input 'b' decides nothing"),
        (sum(&[("a", 1.into(), 3), ("b", 2.into(), 4)], 2), "input 'b': its batch is another"),
        (sum(&[("a", n(), 40_000), ("b", n(), 40_000)], 2), "80000 values together"),
        (sum(&[("a", n(), 3), ("logits", n(), 4)], 2), "input 'logits'"),
    ];
    for (onnx, part) in cases {
        let error = Converter::new("net", &onnx).lower().err().expect("is refused").to_string();
        assert!(error.contains(part) && error.lines().count() == 1, "{part:?}: {error}");
    }
    assert!(Converter::new("net", &sum(&[("a", n(), 3), ("b", n(), 4)], 2)).lower().is_ok());
    // Samples of another size.
    let few = Join::Add.samples(1, 4);
    let error = Converter::new("net", &Join::Concat.onnx(1)).convert(&few).err().expect("refused");
    assert!(error.to_string().contains("samples are"), "{error}");
    // A blob has one image; rows are of one image.
    let samples = Join::Add.samples(1, 20);
    let conversion = convert(Join::Add, 1, &samples);
    let error = conversion.blob(Layout::PORTABLE).expect_err("is refused").to_string();
    assert!(error.contains("a blob has one input, this model 2"), "{error}");
    let by_rows = Converter::new("net", &Join::Add.onnx(1))
        .favour(Favour::Memory)
        .convert(&samples)
        .expect("it converts");
    assert!(by_rows.arena == conversion.arena && by_rows.network == conversion.network);
}
