//! Hands the linker the memory map of the QEMU machine that the target runs on.

use std::{env, fs, path::PathBuf};

fn main() {
    let target = env::var("TARGET").unwrap();
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    let (flash, ram) = match target.split('-').next().unwrap() {
        // BBC micro:bit
        "thumbv6m" => ("0x00000000, LENGTH = 256K", "0x20000000, LENGTH = 16K"),
        // mps2-an385 (Cortex-M3) and mps2-an386 (Cortex-M4)
        "thumbv7m" | "thumbv7em" => ("0x00000000, LENGTH = 4M", "0x20000000, LENGTH = 4M"),
        // mps3-an547 (Cortex-M55)
        "thumbv8m.main" => ("0x10000000, LENGTH = 512K", "0x30000000, LENGTH = 512K"),
        // virt, without a BIOS
        "riscv32imc" | "riscv32imac" => ("0x80000000, LENGTH = 4M", "0x80400000, LENGTH = 4M"),
        _ => panic!("no QEMU machine for {target}; see run.sh for the targets that have one"),
    };
    let mut memory = format!("MEMORY {{\n  FLASH : ORIGIN = {flash}\n  RAM : ORIGIN = {ram}\n}}\n");
    if target.starts_with("riscv") {
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
    fs::write(out.join("memory.x"), memory).unwrap();
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-bins=--nmagic");
    println!("cargo::rerun-if-changed=build.rs");
}
