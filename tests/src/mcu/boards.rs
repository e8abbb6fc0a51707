//! The boards. What a board is built for and what emulates it says its own `.cargo/config.toml`.

use std::path::{Path, PathBuf};

use converter::verify::emulator::{BoardFolder, Emulator};

use super::toolchain::{Build, Toolchain};

/// A board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board {
    /// Its folder under firmware-core/boards, which names its demonstration too.
    pub name: &'static str,
    pub title: &'static str,
    pub core: &'static str,
}

/// The boards that QEMU emulates with all that the tests need.
pub const BOARDS: [Board; 4] = [MICROBIT, STM32F100, STM32F405, HIFIVE1];

/// The boards that QEMU does not emulate, or whose serial port takes nothing in there: their firmware is
/// built and its file read, no more.
pub const BUILT_ONLY: [Board; 9] =
    [STM32L475, PICO, PICO2, NRF52840DK, NANO33BLE, STM32F411, STM32H743, ESP32C3, ESP32C6];

/// Every board.
pub fn all_boards() -> impl Iterator<Item = &'static Board> {
    BOARDS.iter().chain(&BUILT_ONLY)
}

pub const MICROBIT: Board =
    Board { name: "microbit", title: "BBC micro:bit v1", core: "Cortex-M0" };

pub const STM32F100: Board =
    Board { name: "stm32f100", title: "STM32VLDISCOVERY", core: "Cortex-M3" };

pub const STM32F405: Board =
    Board { name: "stm32f405", title: "Olimex STM32-H405", core: "Cortex-M4F" };

pub const STM32L475: Board =
    Board { name: "stm32l475", title: "B-L475E-IOT01A", core: "Cortex-M4F" };

pub const HIFIVE1: Board =
    Board { name: "hifive1", title: "SiFive HiFive1 Rev B", core: "RV32IMAC" };

pub const PICO: Board = Board { name: "pico", title: "Raspberry Pi Pico", core: "Cortex-M0+" };

pub const NRF52840DK: Board =
    Board { name: "nrf52840dk", title: "nRF52840-DK", core: "Cortex-M4F" };

pub const NANO33BLE: Board =
    Board { name: "nano33ble", title: "Arduino Nano 33 BLE", core: "Cortex-M4F" };

pub const PICO2: Board =
    Board { name: "pico2", title: "Raspberry Pi Pico 2", core: "Cortex-M33 with DSP" };

pub const STM32F411: Board =
    Board { name: "stm32f411", title: "ST Nucleo-F411RE", core: "Cortex-M4F" };

pub const STM32H743: Board =
    Board { name: "stm32h743", title: "ST Nucleo-H743ZI", core: "Cortex-M7" };

pub const ESP32C6: Board = Board { name: "esp32c6", title: "ESP32-C6-DevKitC-1", core: "RV32IMAC" };

pub const ESP32C3: Board = Board { name: "esp32c3", title: "ESP32-C3-DevKitM-1", core: "RV32IMC" };

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

impl Board {
    /// Its folder, with what cargo is told there.
    ///
    /// # Panics
    ///
    /// When the folder or its configuration is missing.
    pub fn folder(&self) -> BoardFolder {
        let path = crate::root().join("firmware-core/boards").join(self.name);
        BoardFolder::open(&path.to_string_lossy()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Builds the board's programs with `models/simple` and returns the path of one.
    ///
    /// # Panics
    ///
    /// When the firmware does not build; cargo says why.
    pub fn build(&self, toolchain: &Toolchain, program: Program) -> PathBuf {
        self.try_build(toolchain, program, None).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Builds the board's programs with the model in the folder `model`, under the name `beside` in the
    /// board's target folder, and returns the path of one; or what cargo said.
    pub fn try_build(
        &self,
        toolchain: &Toolchain,
        program: Program,
        model: Option<(&str, &Path)>,
    ) -> Result<PathBuf, String> {
        self.try_build_with(toolchain, program, model, &[])
    }

    /// The same with more variables of the environment.
    pub fn try_build_with(
        &self,
        toolchain: &Toolchain,
        program: Program,
        model: Option<(&str, &Path)>,
        environment: &[(&str, &Path)],
    ) -> Result<PathBuf, String> {
        let BoardFolder { folder, target, .. } = self.folder();
        let mut environment = environment.to_vec();
        environment.extend(model.map(|(_, model)| ("INKLING_MODEL", model)));
        let release = toolchain.build(&Build {
            folder: &folder,
            target: &target,
            features: &[],
            programs: &[],
            beside: model.map_or("", |(beside, _)| beside),
            environment: &environment,
        })?;
        Ok(release.join(match program {
            Program::Demo => self.name,
            Program::Infer => "infer",
            Program::Layers => "layers",
        }))
    }

    /// Starts QEMU with the firmware `elf`.
    ///
    /// # Panics
    ///
    /// When QEMU does not start, or does not emulate the board.
    pub fn start(&self, elf: &Path, arguments: &[String]) -> Emulator {
        Emulator::start(&self.folder(), elf, arguments).unwrap_or_else(|error| panic!("{error}"))
    }
}
