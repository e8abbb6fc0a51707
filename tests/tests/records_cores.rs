//! The committed networks for MNIST on emulated cores: every logit is the host's, and they take the RAM and the
//! instructions that docs/records.toml says.

use converter::reference;
use inkling_data::{Dataset, Split};
use tests::mcu::report::{arena_of, integers_of};
use tests::mcu::{CORES, Toolchain};
use tests::networks::digits;
use tests::records::{Model, Records};
use tests::{all_inputs, mnist, root};

/// Percent by which a count may be another: compilers differ a little.
const BOUND: f64 = 1.0;

/// 20 test images, with `INKLING_ALL_INPUTS` all 10,000.
fn on_core(core: &str, said: fn(&Model) -> u64) {
    let Some(toolchain) = Toolchain::or_skip(&format!("the records on {core}")) else { return };
    let core = CORES.iter().find(|known| known.name == core).expect("a core of the list");
    let near =
        |counted: u64, said: u64| 100.0 * counted.abs_diff(said) as f64 <= BOUND * said as f64;
    for model in Records::read(&root()).expect("it can be read").model {
        let folder = root().join("models").join(&model.name).canonicalize().expect("is there");
        let network = integers_of(&folder).expect("the folder is a model's");
        let compare = |images: &Dataset, logits: &[i32]| {
            let host = reference::all_logits(&network, images).concat();
            assert!(logits == host, "{} on {}: other logits", model.name, core.name);
            println!("{} on {}: {} logits are the host's", model.name, core.name, host.len());
        };

        let images = digits();
        let bytes = images.batch(0..images.len());
        let cost = core
            .cost(&toolchain, &folder, &bytes, images.image_size())
            .unwrap_or_else(|error| panic!("{}: {error}", model.name));
        compare(&images, &cost.logits());
        assert!(
            near(cost.instructions, said(&model)),
            "{} on {}: {} instructions, docs/records.toml says {}",
            model.name,
            core.name,
            cost.instructions,
            said(&model)
        );
        if core.name == "Cortex-M0" {
            let arena = arena_of(&folder).expect("it has code");
            let ram = (arena + images.image_size()) as u64 + cost.stack;
            assert!(
                near(ram, model.ram as u64),
                "{}: {ram} bytes of RAM, docs/records.toml says {}",
                model.name,
                model.ram
            );
        }

        if all_inputs() {
            let images = Dataset::load(&mnist(), Split::Test).expect("MNIST is committed");
            let bytes = images.batch(0..images.len());
            let logits = core
                .logits(&toolchain, &folder, &bytes, images.image_size())
                .unwrap_or_else(|error| panic!("{}: {error}", model.name));
            compare(&images, &logits);
        }
    }
}

#[test]
fn cortex_m0() {
    on_core("Cortex-M0", |model| model.m0);
}

#[test]
fn cortex_m4f() {
    on_core("Cortex-M4F", |model| model.m4);
}

#[test]
fn rv32imc() {
    on_core("RV32IMC", |model| model.rv32);
}
