//! Chooses the kernels for the target: `cfg(kernels)` where there are any beside the portable ones,
//! and `cfg(kernels = "...")`, the file in `src/arch`; `cfg(host)` where these are of a processor with
//! vectors, on which flash is no matter.
//!
//! The compiler's own `cfg` cannot: it does not show the DSP extension on stable.

use std::env;

/// The kernels, and for RISC-V whether the core has short instructions.
fn kernels(target: &str) -> Option<(&'static str, bool)> {
    let architecture = target.split('-').next().unwrap_or_default();
    let kernels = match architecture {
        "thumbv6m" | "thumbv8m.base" => "armv6m",
        "thumbv7em" => "armv7em",
        "thumbv8m.main" if mve() => "mve",
        "thumbv8m.main" if dsp() => "armv7em",
        "thumbv7m" | "thumbv8m.main" => "armv7m",
        "x86_64" => "x86_64",
        // Of little-endian ones, with the vectors that nearly all have.
        "aarch64" if !target.contains("softfloat") => "aarch64",
        "wasm32" if has_feature("simd128") => "wasm32",
        _ => {
            // Every core that multiplies, whatever other extensions it has.
            let extensions = architecture.strip_prefix("riscv32")?;
            let multiplies = extensions.starts_with("im") || extensions.starts_with('g');
            let letters = extensions.split('_').next().unwrap_or_default();
            return multiplies.then_some(("riscv32", letters.contains('c')));
        }
    };
    Some((kernels, false))
}

/// The kernels of processors with vectors, where flash is no matter.
const HOSTS: [&str; 3] = ["x86_64", "aarch64", "wasm32"];

/// Whether the code is compiled for a feature that the compiler shows.
fn has_feature(name: &str) -> bool {
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    features.split(',').any(|feature| feature == name)
}

/// Whether an Armv8-M Mainline core has the DSP extension, which is up to its maker: said by the
/// feature, by `--cfg inkling_dsp`, or by naming a core that is sold with it.
fn dsp() -> bool {
    env::var_os("CARGO_FEATURE_DSP").is_some()
        || env::var_os("CARGO_CFG_INKLING_DSP").is_some()
        || names_core(&["cortex-m33", "cortex-m35p", "cortex-m55", "cortex-m85"], "-dsp")
}

/// Whether it has vectors of integers, which is up to its maker, too: said by `--cfg inkling_mve`, or by
/// naming a core that is sold with them.
fn mve() -> bool {
    env::var_os("CARGO_CFG_INKLING_MVE").is_some()
        || names_core(&["cortex-m52", "cortex-m55", "cortex-m85"], "-mve")
}

/// Whether the compiler's flags name one of `cores` and do not take `without` from it.
fn names_core(cores: &[&str], without: &str) -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let named = cores.iter().any(|core| flags.contains(&format!("target-cpu={core}")));
    named && !flags.contains(without)
}

/// Where the routines in assembly lie, as the linker names it: code, or what start-up copies into RAM.
fn place_kernels() {
    const NAME: &str = "INKLING_KERNELS_SECTION";
    println!("cargo::rerun-if-env-changed={NAME}");
    let section = env::var(NAME).unwrap_or_else(|_| ".text".into());
    let named = section.len() > 1
        && section.starts_with('.')
        && section.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte));
    assert!(
        named,
        "{NAME} is {section:?}: a section's name is a full stop and letters, digits, '_' or '.', as .data"
    );
    println!("cargo::rustc-env={NAME}={section}");
}

fn main() {
    println!(
        "cargo::rustc-check-cfg=cfg(kernels, values(none(), \"armv6m\", \"armv7m\", \"armv7em\", \"mve\", \"riscv32\", \"x86_64\", \"aarch64\", \"wasm32\"))"
    );
    println!("cargo::rustc-check-cfg=cfg(host)");
    println!("cargo::rustc-check-cfg=cfg(armv8m)");
    println!("cargo::rustc-check-cfg=cfg(riscv_compressed)");
    println!("cargo::rerun-if-changed=build.rs");
    // Asked for, to see what the kernels bring or to read the definition in a debugger.
    if env::var_os("CARGO_CFG_INKLING_PORTABLE").is_some() {
        return;
    }
    let target = env::var("TARGET").unwrap_or_default();
    let Some((kernels, compressed)) = kernels(&target) else {
        println!(
            "cargo::warning=there are no kernels for {target} yet: inference there runs the \
             portable ones, which give the same integers but take longer{}",
            if target.starts_with("wasm32") {
                "; RUSTFLAGS=-Ctarget-feature=+simd128 chooses them"
            } else {
                ""
            }
        );
        return;
    };
    place_kernels();
    println!("cargo::rustc-cfg=kernels");
    println!("cargo::rustc-cfg=kernels=\"{kernels}\"");
    if HOSTS.contains(&kernels) {
        println!("cargo::rustc-cfg=host");
    }
    if target.starts_with("thumbv8m") {
        println!("cargo::rustc-cfg=armv8m");
    }
    if compressed {
        println!("cargo::rustc-cfg=riscv_compressed");
    }
}
