//! How far `converter inspect` is off: its estimates beside what was counted of the committed models, on
//! every core for which the README and docs/records.toml have counts.

use std::fs;
use std::path::Path;

use converter::inspect::Inspection;
use converter::{Converter, Favour};
use tests::records::Records;
use tests::root;

/// Percent by which an estimate may be off; what docs/converting.md says.
const BOUND: f64 = 3.0;

#[test]
fn estimates_are_near_what_was_counted() {
    let records = Records::read(&root()).expect("it can be read");
    let mut most = 0.0_f64;
    for model in &records.model {
        let folder = root().join("models").join(&model.name);
        let onnx = fs::read(folder.join("float.onnx")).expect("it is committed");
        let network = Converter::new(&model.name, &onnx).sketch().expect("it is read");
        let inspection = Inspection::new_for("float ONNX", &network, favour(&folder));
        let mut counted =
            vec![("microbit", model.m0), ("stm32f405", model.m4), ("hifive1", model.rv32)];
        if model.name == "simple" {
            counted.push(("stm32f100", cortex_m3()));
        }
        for (board, counted) in counted {
            let estimate = inspection.on(board).and_then(|fit| fit.instructions);
            let estimate = estimate.expect("every kind of layer was counted");
            let off = 100.0 * (estimate as f64 / counted as f64 - 1.0);
            println!("{} on {board}: {estimate}, counted {counted}: {off:+.1} %", model.name);
            most = most.max(off.abs());
        }
    }
    assert!(most <= BOUND, "off by {most:.1} %");
    let page = fs::read_to_string(root().join("docs/converting.md")).expect("it is there");
    let words: Vec<&str> = page.split_whitespace().collect();
    let said = format!("at most {BOUND} % off");
    assert!(words.join(" ").contains(&said), "docs/converting.md does not say: {said}");
}

/// What the model in `folder` was converted for, as its card says.
fn favour(folder: &Path) -> Favour {
    let card = fs::read_to_string(folder.join("MODEL_CARD.md")).expect("it is committed");
    if card.contains(" row by row, ") { Favour::Memory } else { Favour::Time }
}

/// What the README says of `simple` on the Cortex-M3.
fn cortex_m3() -> u64 {
    let readme = fs::read_to_string(root().join("README.md")).expect("it is there");
    let row = readme.lines().find_map(|line| line.strip_prefix("| Cortex-M3 | "));
    let count = row.and_then(|row| row.split(" |").next()).expect("README has the counts");
    count.replace(',', "").parse().expect("a number")
}
