//! Chooses the kernels for the target: `cfg(kernels)` where there are any beside the scalar ones,
//! and `cfg(kernels = "...")`, the file in `src/arch`.
//!
//! The compiler's own `cfg` cannot: it does not show the DSP extension on stable.

use std::env;

fn main() {
    println!(
        "cargo::rustc-check-cfg=cfg(kernels, values(none(), \"armv6m\", \"armv7m\", \"armv7em\", \"riscv32\", \"x86_64\"))"
    );
    println!("cargo::rerun-if-changed=build.rs");
    let target = env::var("TARGET").unwrap_or_default();
    let kernels = match target.split('-').next().unwrap_or_default() {
        "thumbv6m" => "armv6m",
        "thumbv7em" => "armv7em",
        // The DSP extension is optional in Armv8-M; all cores with Helium have it.
        "thumbv8m.main" if env::var_os("CARGO_FEATURE_DSP").is_some() => "armv7em",
        "thumbv7m" | "thumbv8m.main" => "armv7m",
        "riscv32imc" | "riscv32imac" => "riscv32",
        "x86_64" => "x86_64",
        _ => return,
    };
    println!("cargo::rustc-cfg=kernels");
    println!("cargo::rustc-cfg=kernels=\"{kernels}\"");
}
