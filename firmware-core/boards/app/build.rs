//! Finds the model that the firmware carries: `models/simple`, or the folder that the environment
//! variable `INKLING_MODEL` names. It must hold `model.rs` and `golden.rs`, as the converter writes
//! them.

use std::path::PathBuf;
use std::{env, process};

fn main() {
    println!("cargo:rerun-if-env-changed=INKLING_MODEL");
    println!("cargo:rustc-check-cfg=cfg(several_inputs)");
    println!("cargo:rustc-check-cfg=cfg(refuses)");
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let folder = match env::var_os("INKLING_MODEL") {
        Some(folder) => PathBuf::from(folder),
        None => here.join("../../../models/simple"),
    };
    for (name, file) in [("MODEL_RS", "model.rs"), ("GOLDEN_RS", "golden.rs")] {
        let path = folder.join(file);
        let Ok(path) = path.canonicalize() else {
            eprintln!(
                "error: no '{}': convert a model first, or set INKLING_MODEL",
                path.display()
            );
            process::exit(1);
        };
        let code = std::fs::read_to_string(&path).unwrap_or_default();
        if file == "model.rs" && !code.contains("pub fn verify()") {
            eprintln!(
                "error: '{}' is of an older version, without verify: convert the model again",
                path.display()
            );
            process::exit(1);
        }
        if file == "model.rs" && code.contains("pub type Sample =") {
            println!("cargo:rustc-cfg=several_inputs");
        }
        // A rule for "none of these" over the outputs; it is not about one of several.
        if file == "model.rs"
            && code.contains("pub const UNKNOWN: Unknown")
            && !code.contains("pub type Logits = Outputs")
        {
            println!("cargo:rustc-cfg=refuses");
        }
        println!("cargo:rerun-if-changed={}", path.display());
        println!("cargo:rustc-env={name}={}", path.display());
    }
}
