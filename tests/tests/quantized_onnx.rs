//! Imported ONNX files that were quantized for ONNX Runtime compute what it computes, in every value.

use std::fs;

use converter::{Favour, qdq};
use inkling_data::{Dataset, Split};
use tests::imported::compare;
use tests::quantized_onnx::{MODELS, REFERENCE, case, committed, with_least_weights};
use tests::{all_inputs, mnist, onnxruntime, scratch, shared};

#[test]
fn quantized_models_equal_onnx_runtime() {
    let Some(backend) = onnxruntime::start("quantized models beside ONNX Runtime") else { return };
    let cases: Vec<_> =
        MODELS.iter().map(|name| case(&backend, &committed(name), 1000, &[])).collect();
    compare("quantized-onnx", &cases);
    // Weights of -128, as torchao's quantizer writes them.
    let folder = scratch("least-weights");
    let least =
        ["separable_qdq", "separable_qdq_i8", "convnet_qdq_i8", "residual_qdq"].map(|name| {
            let bytes = with_least_weights(&fs::read(committed(name)).expect("it is committed"));
            let path = folder.join(format!("least_{name}.onnx"));
            fs::write(&path, bytes).expect("the scratch folder can be written");
            case(&backend, &path, 300, &[])
        });
    for case in &least {
        let has = |weights: &[i8]| weights.contains(&i8::MIN);
        let layers = case.model.network.layers.iter().filter_map(|layer| layer.parameters());
        assert!(layers.filter(|p| has(&p.weights)).count() > 2, "{}: no such weights", case.name);
    }
    compare("quantized-onnx-least", &least);
    let _ = fs::remove_dir_all(folder);
    // Networks on MNIST, which are no part of the project.
    let count = if all_inputs() { 1000 } else { 300 };
    let test = Dataset::load(&mnist(), Split::Test).expect("MNIST is committed");
    let images: Vec<u8> = (0..count).flat_map(|index| test.image(index).to_vec()).collect();
    let paths = REFERENCE.iter().filter_map(|model| shared(model));
    let cases: Vec<_> = paths.map(|path| case(&backend, &path, count, &images)).collect();
    compare("quantized-onnx-reference", &cases);
}

/// What ONNX Runtime computes in floats is refused, with what to do instead.
#[test]
fn floats_are_refused() {
    let bytes = fs::read(committed("residual_qdq_i8")).expect("the model is committed");
    let error =
        qdq::convert("forked", &bytes, Favour::Time).err().expect("it is refused").to_string();
    assert!(error.contains("relu_2_QuantizeLinear") && error.contains("QUInt8"), "{error}");
}

/// Damaged files are refused in one line or imported; none makes the converter panic.
#[test]
fn damaged_files_never_panic() {
    let mut rng = fastrand::Rng::with_seed(4);
    for name in MODELS {
        let whole = fs::read(committed(name)).expect("the model is committed");
        for round in 0..60 {
            let mut damaged = whole.clone();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..damaged.len());
                damaged[at] ^= 1 << rng.u8(..8);
            }
            match qdq::convert("damaged", &damaged, Favour::Time) {
                Ok(model) if round % 20 == 0 => drop(model.model_rs()),
                Ok(_) => {}
                Err(error) => assert!(!error.to_string().contains('\n'), "{name}: {error}"),
            }
        }
    }
}
