//! Generated code, compiled for this machine and run.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use inkling_data::Dataset;

use crate::{root, scratch};

/// A generated module, and samples for it as raw bytes, one after the other.
pub struct Program<'a> {
    pub module: &'a str,
    pub code: String,
    pub inputs: Vec<u8>,
}

/// Compiles the modules without a warning and returns what each computes for its samples: one byte
/// per output. The arena is full of other bytes before every inference. A module with a `Stream` also
/// gets each sample row by row, and must say the same.
///
/// `name` names a folder; it must differ between tests.
///
/// # Panics
///
/// When the code does not compile or run; cargo says why.
pub fn outputs(name: &str, programs: &[Program]) -> Vec<Vec<u8>> {
    let folder = scratch(name);
    let mut main = String::from("#![deny(warnings)]\nuse firmware_core::{Arena, Outputs};\n");
    let mut calls = String::new();
    for Program { module, code, inputs } in programs {
        fs::write(folder.join(format!("{module}.rs")), code).expect("is written");
        fs::write(folder.join(format!("{module}.inputs")), inputs).expect("is written");
        let _ = writeln!(main, "#[allow(dead_code)]\nmod {module};");
        let (stream, by_rows) = match code.contains("pub struct Stream") {
            false => (String::new(), ""),
            true => (
                format!("    let mut stream = Box::new({module}::Stream::new());\n"),
                "        for row in image.iter() {\n            \
                 assert!(stream.finish().is_none() && stream.push_row(row));\n        }\n        \
                 assert!(!stream.push_row(&image[0]), \"a row too many\");\n        \
                 assert_eq!(stream.finish(), Some(logits), \"row by row\");\n",
            ),
        };
        calls.push_str(&stream);
        let _ = writeln!(
            calls,
            "    assert!({module}::verify(), \"weights are not those that the converter wrote\");\n    \
             let mut outputs = Vec::new();\n    \
             let mut arena = Box::new(Arena::new());\n    \
             let mut image = Box::new(<{module}::Image>::default_image());\n    \
             for sample in include_bytes!(\"{module}.inputs\").chunks(size_of::<{module}::Image>()) {{\n        \
             *arena = Arena::filled_with(0xa5);\n        \
             image.fill_from(sample);\n        \
             let logits = {module}::infer(&image, &mut arena);\n{by_rows}        \
             outputs.extend(logits.widen().map(|value| value as u8));\n    }}\n    \
             std::fs::write(\"{module}.outputs\", outputs).unwrap();"
        );
    }
    // Pixels are u8 or i8.
    main.push_str(
        "trait Fill {\n    fn default_image() -> Self;\n    fn fill_from(&mut self, bytes: &[u8]);\n}\n",
    );
    for element in ["u8", "i8"] {
        let _ = writeln!(
            main,
            "impl<const C: usize, const W: usize, const H: usize> Fill for [[[{element}; C]; W]; H] {{\n    \
             fn default_image() -> Self {{ [[[0; C]; W]; H] }}\n    \
             fn fill_from(&mut self, bytes: &[u8]) {{\n        \
             let pixels = self.as_flattened_mut().as_flattened_mut().iter_mut();\n        \
             pixels.zip(bytes).for_each(|(pixel, byte)| *pixel = *byte as {element});\n    }}\n}}"
        );
    }
    let _ = writeln!(main, "fn main() {{\n{calls}}}");
    let program = compile(&folder, &main, false).unwrap_or_else(|error| panic!("{error}"));
    let output = Command::new(program).current_dir(&folder).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let outputs = programs
        .iter()
        .map(|program| fs::read(folder.join(format!("{}.outputs", program.module))))
        .collect::<Result<_, _>>()
        .expect("the program wrote its outputs");
    let _ = fs::remove_dir_all(folder);
    outputs
}

/// Compiles the modules, each with its name, without a warning, and returns what the statements `calls` print;
/// they have `images`, the grey ones of a data set, and firmware-core's `Arena`.
///
/// `name` names a folder; it must differ between tests.
///
/// # Panics
///
/// When the code does not compile or run; cargo says why.
pub fn printed(name: &str, modules: &[(String, String)], calls: &str, images: &Dataset) -> String {
    let folder = scratch(name);
    let [height, width, _] = images.shape;
    let mut main = String::from("#![deny(warnings)]\nuse firmware_core::Arena;\n");
    for (module, code) in modules {
        fs::write(folder.join(format!("{module}.rs")), code).expect("is written");
        let _ = writeln!(main, "#[allow(dead_code)]\nmod {module};");
    }
    let _ = writeln!(
        main,
        "fn main() {{\n    \
         let pixels = include_bytes!(\"images\");\n    \
         let images: Vec<[[[u8; 1]; {width}]; {height}]> = pixels.chunks({height} * {width}).map(|pixels| {{\n        \
         let mut image = [[[0; 1]; {width}]; {height}];\n        \
         image.as_flattened_mut().as_flattened_mut().copy_from_slice(pixels);\n        \
         image\n    }}).collect();\n{calls}}}"
    );
    fs::write(folder.join("images"), images.batch(0..images.len())).expect("is written");
    let program = compile(&folder, &main, false).unwrap_or_else(|error| panic!("{error}"));
    let output = Command::new(program).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let _ = fs::remove_dir_all(folder);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Compiles `main` in `folder`, where its modules lie already, against this repository's firmware-core, as a
/// release or quickly; the path of the program.
///
/// # Errors
///
/// What cannot be written, or what cargo says of code that does not compile.
pub fn compile(folder: &Path, main: &str, release: bool) -> Result<PathBuf, String> {
    let said = |error: std::io::Error| format!("{}: {error}", folder.display());
    let root = root().canonicalize().map_err(said)?;
    let manifest = format!(
        "[package]\nname = \"generated\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [[bin]]\nname = \"generated\"\npath = \"main.rs\"\n\n\
         [dependencies]\nfirmware-core = {{ path = {:?} }}\n\n[profile.dev]\nopt-level = 1\ndebug = false\n\n[workspace]\n",
        root.join("firmware-core")
    );
    fs::write(folder.join("main.rs"), main).map_err(said)?;
    fs::write(folder.join("Cargo.toml"), manifest).map_err(said)?;
    // The versions that this workspace was built with, so that nothing has to be fetched.
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).map_err(said)?;
    let target = folder.join("target");
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline"])
        .args(release.then_some("--release"))
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(folder)
        .output()
        .map_err(said)?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let program = target.join(if release { "release" } else { "debug" }).join("generated");
    Ok(program.with_extension(std::env::consts::EXE_EXTENSION))
}
