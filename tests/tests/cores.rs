//! The kernels of every target against the scalar ones, in QEMU: random shapes, strides, paddings,
//! channels and signs for every kind of layer.

use tests::mcu::{APPLICATION_CORES, CORES, Core, Toolchain};

/// Other shapes with `COUNTS_SEED=7 cargo test -p tests --test cores`.
fn seed() -> String {
    std::env::var("COUNTS_SEED").unwrap_or_else(|_| "1".into())
}

fn all() -> impl Iterator<Item = &'static Core> {
    CORES.iter().chain(&APPLICATION_CORES)
}

fn check(name: &str) {
    let what = format!("the kernels of {name} against the scalar ones");
    let Some(toolchain) = Toolchain::or_skip(&what) else { return };
    let core: &Core = all().find(|core| core.name == name).expect("a core of the lists");
    if !core.is_known_to(&toolchain) {
        let missing = "the toolchain has no library for its target";
        return tests::skip(&what, missing, "tools/mcu-toolchain", "INKLING_REQUIRE_MCU");
    }
    core.check(&toolchain, &seed()).unwrap_or_else(|error| panic!("seed {}: {error}", seed()));
}

/// One test for each core, and none forgotten.
macro_rules! cores {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                check($name);
            }
        )*

        #[test]
        fn every_core_is_checked() {
            assert_eq!(all().map(|core| core.name).collect::<Vec<_>>(), [$($name),*]);
        }
    };
}

cores! {
    cortex_m0: "Cortex-M0",
    cortex_m3: "Cortex-M3",
    cortex_m4f: "Cortex-M4F",
    cortex_m7: "Cortex-M7",
    cortex_m33: "Cortex-M33",
    cortex_m33_with_dsp: "Cortex-M33 with DSP",
    cortex_m55: "Cortex-M55",
    cortex_m55_with_mve: "Cortex-M55 with MVE",
    rv32imc: "RV32IMC",
    cortex_a53: "Cortex-A53",
    cortex_a76: "Cortex-A76",
    cortex_a53_portable: "Cortex-A53 portable",
}
