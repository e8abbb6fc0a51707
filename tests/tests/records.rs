//! README's records are docs/records.toml's, and that is true of the committed models.

use std::fs;

use converter::Converter;
use converter::quantize::{Bits, USUAL_BITS};
use converter::record::ModelRecord;
use tests::records::{Model, Records};
use tests::{networks, root};
use trainer::learn::export::float_onnx;
use trainer::learn::network::Description;

/// Where a table of README begins and ends.
const MODELS: &str = "<!-- made by tests/tests/records.rs -->\n";
const PRESETS: &str = "<!-- of the presets, made by tests/tests/records.rs -->\n";
const FASHION: &str = "<!-- of Fashion-MNIST, made by tests/tests/records.rs -->\n";
const END: &str = "<!-- end of the table -->";

#[test]
fn the_committed_models_are_the_first_seeds() {
    let records = Records::read(&root()).expect("it can be read");
    assert!(!records.model.is_empty());
    for model in &records.model {
        let folder = root().join("models").join(&model.name);
        let card = fs::read_to_string(folder.join("MODEL_CARD.md")).expect("the folder has a card");
        let says = |what: &str| assert!(card.contains(what), "{}'s card lacks: {what}", model.name);
        says(&format!("Weights, biases and shifts: {} bytes of flash", model.bytes));
        assert_eq!(model.float.len(), model.int8.len(), "{}: one of each seed", model.name);
        let record =
            ModelRecord::of_folder(&folder).expect("it can be read").expect("there is one");
        assert_eq!(record.name, model.name);
        let tested = record.tested.expect("it was tested");
        let percent = |right: usize| format!("{:.2}", 100.0 * right as f64 / tested.samples as f64);
        assert_eq!(percent(tested.float_right), format!("{:.2}", model.float[0]), "{}", model.name);
        assert_eq!(percent(tested.int8_right), format!("{:.2}", model.int8[0]), "{}", model.name);
    }
}

#[test]
fn the_networks_have_the_bytes_that_are_said() {
    let records = Records::read(&root()).expect("it can be read");
    for Model { name, bytes, float, int8, .. } in records.preset.iter().chain(&records.fashion) {
        let file = root().join("trainer/networks").join(format!("{name}.toml"));
        let network = Description::named(&file.to_string_lossy())
            .and_then(|description| description.build([1, 28, 28], 10))
            .unwrap_or_else(|error| panic!("{error}"));
        let onnx = float_onnx(&network, &network.initial_parameters(0), None);
        let conversion = Converter::new(name, &onnx)
            .bits(Bits::new(USUAL_BITS, network.bits.clone()))
            .convert(&networks::samples([28, 28, 1], 10, 0))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(conversion.network.parameter_bytes(), *bytes, "{name}");
        assert_eq!(float.len(), int8.len(), "{name}: one of each seed");
    }
}

/// What stands between the mark and the end behind it is replaced.
fn with_table(text: &str, mark: &str, table: &str) -> String {
    let (before, rest) = text.split_once(mark).expect("README has a place for the table");
    let (_, after) = rest.split_once(END).expect("the place has an end");
    format!("{before}{mark}{table}{END}{after}")
}

#[test]
fn tables_and_figure_are_current() {
    let records = Records::read(&root()).expect("it can be read");
    let readme = root().join("README.md");
    let text = fs::read_to_string(&readme).expect("there is a README");
    let now = with_table(&text, MODELS, &records.table());
    let now = with_table(&now, PRESETS, &records.presets());
    let now = with_table(&now, FASHION, &records.fashion());
    let picture = root().join("docs/records.svg");
    let drawn = records.figure();
    if std::env::var_os("INKLING_WRITE").is_some() {
        fs::write(&picture, drawn).expect("the figure can be written");
        return fs::write(&readme, now).expect("README can be written");
    }
    let how = "write it with INKLING_WRITE=1 cargo test -p tests --test records";
    assert!(text == now, "a table of README's records is another; {how}");
    let shown = fs::read_to_string(&picture).unwrap_or_default();
    assert!(shown == drawn, "docs/records.svg is another; {how}");
}
