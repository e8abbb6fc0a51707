//! The boards of the repository, as far as a model has to fit on them.

/// A board's core, memory and clock, as its folder in `firmware-core/boards` has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board {
    /// Its folder's name.
    pub name: &'static str,
    /// The core whose kernels it runs, by the name under which they are counted.
    pub core: &'static str,
    /// Bytes of flash and RAM that a program of the board may use.
    pub flash: usize,
    pub ram: usize,
    /// Cycles per second.
    pub clock: u32,
}

const KB: usize = 1024;
const MHZ: u32 = 1_000_000;

const fn board(
    name: &'static str,
    core: &'static str,
    [flash, ram]: [usize; 2],
    megahertz: u32,
) -> Board {
    Board { name, core, flash: flash * KB, ram: ram * KB, clock: megahertz * MHZ }
}

/// Every board, from the smallest RAM up.
pub const BOARDS: [Board; 13] = [
    board("stm32f100", "Cortex-M3", [128, 8], 24),
    board("microbit", "Cortex-M0", [256, 16], 16),
    board("hifive1", "RV32IMC", [512, 16], 16),
    board("stm32l475", "Cortex-M4F", [1024, 96], 80),
    board("stm32f411", "Cortex-M4F", [512, 128], 100),
    // A Cortex-M7 runs the same code, instruction by instruction.
    board("stm32h743", "Cortex-M4F", [2048, 128], 400),
    board("stm32f405", "Cortex-M4F", [1024, 128], 168),
    board("pico", "Cortex-M0", [2048, 256], 125),
    board("nrf52840dk", "Cortex-M4F", [1024, 256], 64),
    board("nano33ble", "Cortex-M4F", [960, 256], 64),
    board("esp32c3", "RV32IMC", [3968, 313], 160),
    board("esp32c6", "RV32IMC", [3968, 441], 160),
    board("pico2", "Cortex-M33 with DSP", [4096, 512], 150),
];
