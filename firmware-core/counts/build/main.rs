//! The memory map of the emulated machine, and the random shapes that `check-random` tries on it.

mod shapes;

use std::path::PathBuf;
use std::{env, fs};

/// What QEMU gives a machine: flash and RAM as the linker writes them, and how many shapes of each
/// kind of layer fit into that flash.
struct Machine {
    flash: &'static str,
    ram: &'static str,
    shapes: usize,
}

/// The memory of `machine`, by the name that QEMU's option `-M` takes.
fn memory_of(machine: &str) -> Option<Machine> {
    let (flash, ram, shapes) = match machine {
        "microbit" => ("0x00000000, LENGTH = 256K", "0x20000000, LENGTH = 16K", 3),
        "mps2-an385" | "mps2-an386" => ("0x00000000, LENGTH = 4M", "0x20000000, LENGTH = 4M", 12),
        "mps2-an505" | "mps2-an521" => ("0x10000000, LENGTH = 4M", "0x38000000, LENGTH = 4M", 12),
        "mps3-an547" => ("0x10000000, LENGTH = 512K", "0x30000000, LENGTH = 512K", 8),
        "virt-aarch64" => ("0x40080000, LENGTH = 16M", "0x42000000, LENGTH = 64M", 6),
        "virt" => ("0x80000000, LENGTH = 4M", "0x80400000, LENGTH = 4M", 12),
        _ => return None,
    };
    Some(Machine { flash, ram, shapes })
}

/// The linker script for 64-bit Arm cores, with the names that those of the other cores have. QEMU writes
/// everything to its place.
const AARCH64: &str = "\
INCLUDE memory.x
ENTRY(_start)
SECTIONS {
  .text : { KEEP(*(.text.start)) *(.text .text.*) } > FLASH
  .rodata : { *(.rodata .rodata.*) } > FLASH
  .data : ALIGN(64) { __sdata = .; *(.data .data.*) . = ALIGN(64); __edata = .; } > RAM
  .bss (NOLOAD) : ALIGN(64) { __sbss = .; *(.bss .bss.* COMMON) . = ALIGN(64); __ebss = .; } > RAM
  _stack_start = ORIGIN(RAM) + LENGTH(RAM);
  /DISCARD/ : { *(.eh_frame*) *(.ARM.*) }
}
";

fn main() {
    println!("cargo::rerun-if-env-changed=COUNTS_MACHINE");
    println!("cargo::rerun-if-env-changed=COUNTS_SEED");
    println!("cargo::rerun-if-changed=build");
    let machine = env::var("COUNTS_MACHINE").unwrap_or_default();
    let Some(Machine { flash, ram, shapes }) = memory_of(&machine) else {
        println!(
            "cargo::error=COUNTS_MACHINE is '{machine}', which is no machine whose memory build/main.rs \
             knows; `tools/mcu-report` and the test `cores` set it"
        );
        return;
    };
    let seed = env::var("COUNTS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names OUT_DIR"));
    let mut memory = format!("MEMORY {{\n  FLASH : ORIGIN = {flash}\n  RAM : ORIGIN = {ram}\n}}\n");
    if machine == "virt" {
        for (section, region) in [
            ("TEXT", "FLASH"),
            ("RODATA", "FLASH"),
            ("DATA", "RAM"),
            ("BSS", "RAM"),
            ("HEAP", "RAM"),
            ("STACK", "RAM"),
        ] {
            memory += &format!("REGION_ALIAS(\"REGION_{section}\", {region});\n");
        }
        println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    }
    let write =
        |name: &str, text: String| fs::write(out.join(name), text).expect("OUT_DIR can be written");
    write("memory.x", memory);
    if machine == "virt-aarch64" {
        write("link.x", AARCH64.to_string());
    }
    write("shapes.rs", shapes::program(seed, shapes));
    write("four_bit_shapes.rs", shapes::four_bits(seed, shapes.div_ceil(2)));
    blob(&out);
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-bins=--nmagic");
}

/// The blob that `count-blob` runs, and how much memory it may need; none where nobody gave one.
fn blob(out: &std::path::Path) {
    println!("cargo::rerun-if-env-changed=INKLING_BLOB");
    let blob = match env::var_os("INKLING_BLOB") {
        None => Vec::new(),
        Some(path) => {
            println!("cargo::rerun-if-changed={}", PathBuf::from(&path).display());
            fs::read(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", PathBuf::from(&path).display()))
        }
    };
    // The words of the header that say it; `firmware_core::blob::format` describes them.
    let halves = |word: usize| {
        let byte = |n: usize| usize::from(blob.get(4 * word + n).copied().unwrap_or(0));
        [byte(0) | byte(1) << 8, byte(2) | byte(3) << 8]
    };
    let ([arena, upper], [height, width], [channels, _]) = (halves(5), halves(7), halves(8));
    // Scratch for 256 output channels.
    let words = if blob.is_empty() { 0 } else { (arena | upper << 16) / 4 + 4 * 256 };
    let sizes = format!(
        "const ARENA_WORDS: usize = {words};\nconst INPUT_BYTES: usize = {};\n",
        height * width * channels
    );
    fs::write(out.join("model.blob"), blob).expect("OUT_DIR can be written");
    fs::write(out.join("blob_sizes.rs"), sizes).expect("OUT_DIR can be written");
}
