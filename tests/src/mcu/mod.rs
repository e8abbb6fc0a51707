//! The boards: which there are, what they need, how their firmware is built, and which run in QEMU.

mod elf;
mod measure;
mod qemu;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

pub use elf::{Elf, Symbol};
pub use measure::{FLASH_BUDGET, Measurement, RAM_BUDGET, measure};
pub use qemu::Qemu;

/// The committed model, as the boards carry it.
#[allow(dead_code)]
#[rustfmt::skip] // generated
#[path = "../../../models/simple/model.rs"]
pub mod simple;

/// A board.
#[derive(Clone, Copy, Debug)]
pub struct Board {
    /// Its folder under firmware-core/boards, which names its demonstration too.
    pub name: &'static str,
    pub title: &'static str,
    pub core: &'static str,
    target: &'static str,
    /// `None` when QEMU does not emulate it.
    emulator: Option<Emulator>,
}

/// What emulates a board.
#[derive(Clone, Copy, Debug)]
struct Emulator {
    qemu: &'static str,
    machine: &'static str,
}

/// The boards that QEMU emulates.
pub const BOARDS: [Board; 4] = [MICROBIT, STM32F100, STM32F405, HIFIVE1];

/// The boards that QEMU does not emulate: their firmware is built and its file read, no more.
pub const BUILT_ONLY: [Board; 2] = [PICO, ESP32C3];

/// Every board.
pub fn all_boards() -> impl Iterator<Item = &'static Board> {
    BOARDS.iter().chain(&BUILT_ONLY)
}

pub const MICROBIT: Board = Board {
    name: "microbit",
    title: "BBC micro:bit v1",
    core: "Cortex-M0",
    target: "thumbv6m-none-eabi",
    emulator: Some(Emulator { qemu: "qemu-system-arm", machine: "microbit" }),
};

pub const STM32F100: Board = Board {
    name: "stm32f100",
    title: "STM32VLDISCOVERY",
    core: "Cortex-M3",
    target: "thumbv7m-none-eabi",
    emulator: Some(Emulator { qemu: "qemu-system-arm", machine: "stm32vldiscovery" }),
};

pub const STM32F405: Board = Board {
    name: "stm32f405",
    title: "Olimex STM32-H405",
    core: "Cortex-M4F",
    target: "thumbv7em-none-eabihf",
    emulator: Some(Emulator { qemu: "qemu-system-arm", machine: "olimex-stm32-h405" }),
};

pub const HIFIVE1: Board = Board {
    name: "hifive1",
    title: "SiFive HiFive1 Rev B",
    core: "RV32IMAC",
    target: "riscv32imac-unknown-none-elf",
    emulator: Some(Emulator { qemu: "qemu-system-riscv32", machine: "sifive_e,revb=true" }),
};

pub const PICO: Board = Board {
    name: "pico",
    title: "Raspberry Pi Pico",
    core: "Cortex-M0+",
    target: "thumbv6m-none-eabi",
    emulator: None,
};

pub const ESP32C3: Board = Board {
    name: "esp32c3",
    title: "ESP32-C3-DevKitM-1",
    core: "RV32IMC",
    target: "riscv32imc-unknown-none-elf",
    emulator: None,
};

/// A program of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Self-test and protocol.
    Demo,
    /// Nothing but the inference, in one counted region.
    Infer,
    /// The same, with a counted region for each layer.
    Layers,
}

/// What `tools/mcu-toolchain` set up.
#[derive(Clone, Debug)]
pub struct Toolchain {
    rustc: PathBuf,
    plugin: PathBuf,
}

impl Toolchain {
    /// The toolchain, or what is missing.
    pub fn find() -> Result<Self, String> {
        let folder = crate::root().join("target/mcu");
        let toolchain =
            Self { rustc: folder.join("bin/rustc"), plugin: folder.join("libicount.so") };
        for file in [&toolchain.rustc, &toolchain.plugin] {
            if !file.is_file() {
                return Err(format!("there is no {}", file.display()));
            }
        }
        for Emulator { qemu, .. } in BOARDS.iter().filter_map(|board| board.emulator) {
            let mut version = Command::new(qemu);
            version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
            if !version.status().is_ok_and(|status| status.success()) {
                return Err(format!("{qemu} does not start"));
            }
        }
        Ok(toolchain)
    }

    /// The toolchain for a test of `what`; `None` after saying so when the test is to be skipped.
    ///
    /// # Panics
    ///
    /// When it is missing and the environment variable `INKLING_REQUIRE_MCU` is 1.
    pub fn or_skip(what: &str) -> Option<Self> {
        match Self::find() {
            Ok(toolchain) => Some(toolchain),
            Err(missing) => {
                let required = std::env::var("INKLING_REQUIRE_MCU").is_ok_and(|value| value == "1");
                assert!(!required, "INKLING_REQUIRE_MCU=1, but {missing}; run tools/mcu-toolchain");
                // Past the test harness's capture, which would hide it when the test passes.
                let line =
                    format!("SKIPPED: {what}: {missing} - enable with: tools/mcu-toolchain\n");
                let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
                None
            }
        }
    }

    /// The compiler's version, as it names itself.
    pub fn version(&self) -> String {
        let output = Command::new(&self.rustc).arg("-V").output();
        output
            .map_or_else(|_| "unknown".into(), |o| String::from_utf8_lossy(&o.stdout).trim().into())
    }

    /// Builds a board's programs and returns the path of one.
    ///
    /// # Panics
    ///
    /// When the firmware does not build; cargo says why.
    pub fn build(&self, board: &Board, program: Program) -> PathBuf {
        // One at a time: tests run in parallel, and each build uses all cores.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let folder = folder(board);
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--release", "--bins", "--locked", "--target", board.target])
            .current_dir(&folder)
            .env("RUSTC", &self.rustc)
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the firmware in {} does not build", folder.display());
        folder.join("target").join(board.target).join("release").join(match program {
            Program::Demo => board.name,
            Program::Infer => "infer",
            Program::Layers => "layers",
        })
    }
}

fn folder(board: &Board) -> PathBuf {
    crate::root().join("firmware-core/boards").join(board.name)
}

/// The logits that the committed model's code computes on this machine.
pub fn expected(image: &[u8]) -> [i32; 10] {
    let mut pixels = [[[0; 1]; 28]; 28];
    pixels.as_flattened_mut().as_flattened_mut().copy_from_slice(image);
    simple::infer(&pixels, &mut firmware_core::Arena::new())
}

/// Reads a firmware file.
///
/// # Panics
///
/// When it is missing or no ELF file.
pub fn read_elf(path: &Path) -> Elf {
    let bytes = std::fs::read(path).expect("the build left an ELF file");
    Elf::read(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
