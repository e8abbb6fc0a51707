//! Models as a static library for C and C++: one crate of all of them, built for a target.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use converter::emit::c;
use converter::record::{self, ModelRecord};
use inkling_support::{console, files};

/// Options of `converter library`.
#[derive(Args)]
pub struct LibraryArgs {
    /// Folders of models that were converted with --emit c
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<PathBuf>,
    /// rustc's name of the processor, such as thumbv7em-none-eabihf; several make several libraries
    /// [default: this machine]
    #[arg(long, value_name = "TRIPLE", value_delimiter = ',')]
    target: Vec<String>,
    /// Folder for headers and libraries; created where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The core is one of Armv8-M Mainline and has the DSP extension
    #[arg(long)]
    dsp: bool,
    /// The layout of an Arduino library, with the library precompiled for the cores of all targets
    #[arg(long)]
    arduino: bool,
}

/// A model that goes into the library.
struct Member {
    record: ModelRecord,
    code: String,
    headers: Vec<(String, Vec<u8>)>,
}

/// The name of the library: what `-l` takes.
const NAME: &str = "inkling";

/// Builds the library for every target.
pub fn run(args: &LibraryArgs) -> Result<()> {
    let members: Vec<Member> =
        args.models.iter().map(|path| member(path)).collect::<Result<_>>()?;
    for (index, member) in members.iter().enumerate() {
        let id = c::identifier(&member.record.name);
        let same = |other: &Member| c::identifier(&other.record.name) == id;
        ensure!(
            !members[..index].iter().any(same),
            "two models are called {id}; give one of them another name with --name"
        );
    }
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-core");
    let core = core.canonicalize().with_context(|| {
        format!("{}: the sources of firmware-core are not there any more", core.display())
    })?;
    let _folder = files::prepare_folder(&args.out, &[])?;
    let source = args.out.join("source");
    write_crate(&source, &core, &members, args.dsp)?;

    let headers = args.out.join(if args.arduino { "src" } else { "include" });
    fs::create_dir_all(&headers).with_context(|| headers.display().to_string())?;
    let all: Vec<(&str, Vec<u8>)> = members
        .iter()
        .flat_map(|member| &member.headers)
        .map(|(name, bytes)| (&name[..], bytes.clone()))
        .collect();
    files::write_set(&headers, &all)?;

    let targets: Vec<Option<&str>> = match &args.target[..] {
        [] => vec![None],
        targets => targets.iter().map(|target| Some(&target[..])).collect(),
    };
    let mut libraries = Vec::new();
    for target in targets {
        let built = build(&source, target)?;
        let folder = match (target, args.arduino) {
            (None, _) => "host",
            (Some(target), true) => arduino_core(target)?,
            (Some(target), false) => target,
        };
        let folder = if args.arduino { headers.join(folder) } else { args.out.join(folder) };
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let bytes = fs::read(&built).with_context(|| built.display().to_string())?;
        let library = folder.join(format!("lib{NAME}.a"));
        files::write_atomically(&library, &bytes)?;
        libraries.push(library.display().to_string());
    }
    if args.arduino {
        arduino(&args.out, &headers, &members)?;
    }
    console::print(&format!(
        "Written: {} and headers in {}\n",
        libraries.join(", "),
        headers.display()
    ));
    Ok(())
}

fn member(folder: &Path) -> Result<Member> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).with_context(|| path.display().to_string())
    };
    let path = folder.join(record::FILE);
    let text = String::from_utf8_lossy(&read(record::FILE)?).into_owned();
    let record = ModelRecord::parse(&text).with_context(|| path.display().to_string())?;
    let header = c::header_name(&record.name);
    if !folder.join(&header).is_file() {
        bail!("{}: it has no {header}; convert the model with --emit c", folder.display());
    }
    let code = String::from_utf8(read("model.rs")?).context("model.rs is no text")?;
    ensure!(
        code.contains("pub fn verify()"),
        "{}: its model.rs is of an older version, without verify; convert the model again with --emit c",
        folder.display()
    );
    let golden = c::golden_name(&record.name);
    let mut headers = vec![(header.clone(), read(&header)?)];
    if folder.join(&golden).is_file() {
        headers.push((golden.clone(), read(&golden)?));
    }
    Ok(Member { record, code, headers })
}

/// The crate that has all models.
fn write_crate(source: &Path, core: &Path, members: &[Member], dsp: bool) -> Result<()> {
    let src = source.join("src");
    fs::create_dir_all(&src).with_context(|| src.display().to_string())?;
    let features = if dsp { ", features = [\"dsp\"]" } else { "" };
    let manifest = format!(
        "[package]\nname = \"{NAME}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n\
         [lib]\ncrate-type = [\"staticlib\"]\n\n\
         [dependencies]\nfirmware-core = {{ path = {core:?}{features} }}\n\n\
         [profile.release]\nopt-level = 2\nlto = true\ncodegen-units = 1\npanic = \"abort\"\n\n\
         [workspace]\n"
    );
    let mut lib = String::from(LIBRARY);
    for Member { record, .. } in members {
        let names: Vec<String> = record.outputs.iter().map(|output| output.name.clone()).collect();
        let module = format!("model_{}", c::identifier(&record.name).to_lowercase());
        lib.push_str(&format!(
            "\n#[allow(dead_code)]\nmod {module} {{\n    include!(\"{module}.in\");\n}}\n\n{}",
            c::functions(&record.name, &module, record.inputs.len().max(1), &names)
        ));
    }
    let modules: Vec<(String, Vec<u8>)> = members
        .iter()
        .map(|member| {
            let id = c::identifier(&member.record.name).to_lowercase();
            (format!("model_{id}.in"), member.code.clone().into_bytes())
        })
        .collect();
    let mut all: Vec<(&str, Vec<u8>)> =
        modules.iter().map(|(name, code)| (&name[..], code.clone())).collect();
    all.push(("lib.rs", lib.into_bytes()));
    files::write_set(&src, &all)?;
    let mut beside = vec![("Cargo.toml", manifest.into_bytes())];
    // The versions that Inkling was tested with.
    if let Ok(lock) = fs::read(core.join("../Cargo.lock"))
        && !source.join("Cargo.lock").exists()
    {
        beside.push(("Cargo.lock", lock));
    }
    files::write_set(source, &beside)?;
    Ok(())
}

/// What all libraries begin with.
const LIBRARY: &str = r#"//! Models for C and C++; written by `converter library`.

#![cfg_attr(target_os = "none", no_std)]

use core::ffi::{c_int, c_void};

use firmware_core::Arena;

/// One inference, with what can be wrong about the pointers looked at first.
///
/// # Safety
///
/// Every pointer that is not null points to as much as the model needs.
#[inline(always)]
unsafe fn call<const K: usize, const N: usize, O: Returned>(
    inputs: *const *const c_void,
    outputs: *const *mut c_void,
    arena: *mut c_void,
    infer: impl FnOnce([*const c_void; K], &mut Arena<N>) -> O,
) -> c_int {
    if inputs.is_null() || outputs.is_null() || arena.is_null() {
        return -1;
    }
    if !inputs.is_aligned() || !outputs.is_aligned() {
        return -2;
    }
    // SAFETY: they are there, says the caller.
    let (inputs, said) = unsafe { (*inputs.cast::<[*const c_void; K]>(), O::check(outputs)) };
    if inputs.iter().any(|input| input.is_null()) || said == -1 {
        return -1;
    }
    let arena = arena.cast::<Arena<N>>();
    // Inputs are bytes.
    if !arena.is_aligned() || said != 0 {
        return -2;
    }
    // SAFETY: the caller says that they point to as much as is needed, and they are aligned. Inputs,
    // outputs and arena are numbers, of which every pattern of bits is one.
    unsafe { infer(inputs, &mut *arena).put(outputs) };
    0
}

/// What an inference returns: one array, or a struct with one for each output.
trait Returned {
    /// -1 for a null pointer among those to the outputs, -2 for one that is not aligned, else 0.
    ///
    /// # Safety
    ///
    /// There is a pointer for each output.
    unsafe fn check(outputs: *const *mut c_void) -> c_int;

    /// Writes every output to where its pointer says.
    ///
    /// # Safety
    ///
    /// They were checked, and point to as much as the model needs.
    unsafe fn put(self, outputs: *const *mut c_void);
}

impl<T, const N: usize> Returned for [T; N] {
    #[inline(always)]
    unsafe fn check(outputs: *const *mut c_void) -> c_int {
        // SAFETY: the caller says that there is one.
        check_as(|all: Self| all, unsafe { *outputs })
    }

    #[inline(always)]
    unsafe fn put(self, outputs: *const *mut c_void) {
        // SAFETY: it was checked, and points to as much as is needed, says the caller.
        unsafe { write_to(*outputs, self) };
    }
}

/// What is wrong about a pointer to such an output as `_field` takes from what is returned.
#[inline(always)]
fn check_as<R, T>(_field: fn(R) -> T, pointer: *mut c_void) -> c_int {
    let pointer = pointer.cast::<T>();
    if pointer.is_null() {
        return -1;
    }
    if pointer.is_aligned() { 0 } else { -2 }
}

/// Writes one output.
///
/// # Safety
///
/// The pointer was checked, and points to as much as the output needs.
#[inline(always)]
unsafe fn write_to<T>(pointer: *mut c_void, value: T) {
    // SAFETY: says the caller.
    unsafe { pointer.cast::<T>().write(value) };
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // Nothing here panics; a library must have this all the same.
    loop {}
}
"#;

/// Builds the crate; the library's path.
fn build(source: &Path, target: Option<&str>) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--quiet"]).current_dir(source);
    // This program's own folder is another's.
    command.env_remove("CARGO_TARGET_DIR");
    let mut built = source.join("target");
    if let Some(target) = target {
        command.args(["--target", target]);
        built.push(target);
    }
    let status = command.status().context("cargo does not start")?;
    ensure!(
        status.success(),
        "{}: the library does not build for {}; see above (a target is installed with `rustup target \
         add`)",
        source.display(),
        target.unwrap_or("this machine")
    );
    Ok(built.join("release").join(format!("lib{NAME}.a")))
}

/// The folder in which Arduino looks for what was compiled for a core.
fn arduino_core(target: &str) -> Result<&'static str> {
    Ok(match target {
        "thumbv6m-none-eabi" => "cortex-m0plus",
        "thumbv7m-none-eabi" => "cortex-m3",
        "thumbv7em-none-eabihf" => "cortex-m4/fpv4-sp-d16-hard",
        "thumbv7em-none-eabi" => "cortex-m4",
        "thumbv8m.main-none-eabi" => "cortex-m33",
        "thumbv8m.main-none-eabihf" => "cortex-m33/fpv5-sp-d16-hard",
        "riscv32imc-unknown-none-elf" => "esp32c3",
        "riscv32imac-unknown-none-elf" => "esp32c6",
        _ => bail!("{target}: it is not known how Arduino calls this core"),
    })
}

/// What makes a folder an Arduino library.
fn arduino(out: &Path, src: &Path, members: &[Member]) -> Result<()> {
    let names: Vec<&str> = members.iter().map(|member| &member.record.name[..]).collect();
    let properties = format!(
        "name=Inkling\nversion=0.1.0\nauthor=Inkling\nmaintainer=Inkling\n\
         sentence=Image classifiers in exact integers: {}.\n\
         paragraph=Precompiled models without heap; see the headers.\n\
         category=Data Processing\nurl=https://example.invalid/inkling\n\
         architectures=*\nincludes=Inkling.h\nprecompiled=true\nldflags=-l{NAME}\n",
        names.join(", ")
    );
    let includes: String =
        names.iter().map(|name| format!("#include \"{}\"\n", c::header_name(name))).collect();
    files::write_set(src, &[("Inkling.h", format!("#pragma once\n{includes}").into_bytes())])?;
    files::write_set(out, &[("library.properties", properties.into_bytes())])?;
    Ok(())
}
