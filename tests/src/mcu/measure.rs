//! What the inference costs on a board: flash, RAM and instructions, measured.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use inkling_data::Dataset;

use super::plugin::Counts;
use super::serial::{connect, infer, stop};
use super::{Board, Program, Toolchain, expected, plugin, read_elf, simple};

/// Bytes of flash that the whole inference firmware may take for `simple`.
pub const FLASH_BUDGET: u64 = 28 * 1024;

/// Bytes of RAM that it may take, arena, image, statics and stack.
pub const RAM_BUDGET: u64 = 4 * 1024;

/// Images over which the worst case is taken.
pub const IMAGES: usize = 100;

/// The cost of one board's inference firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurement {
    pub flash: Flash,
    pub ram: Ram,
    /// Guest instructions of a whole inference, the most over [`IMAGES`] test images.
    pub instructions: u64,
    /// The same for each layer, in order. Their sum is a little more: the worst images differ.
    pub layers: Vec<u64>,
    /// Bytes of code of each function that computes, the largest first.
    pub kernels: Vec<(String, u64)>,
}

/// Bytes of flash by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flash {
    /// Weights, biases and requantizations.
    pub weights: u64,
    /// The code that computes.
    pub kernels: u64,
    /// Start-up, interrupt vectors, clock and serial port, padding.
    pub rest: u64,
}

/// Bytes of RAM by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ram {
    pub arena: u64,
    pub image: u64,
    /// The other statics.
    pub statics: u64,
    /// Return addresses, saved registers and local values: the deepest store.
    pub stack: u64,
}

impl Flash {
    pub fn total(&self) -> u64 {
        self.weights + self.kernels + self.rest
    }
}

impl Ram {
    pub fn total(&self) -> u64 {
        self.arena + self.image + self.statics + self.stack
    }
}

/// Measures a board's inference on the first [`IMAGES`] of `images`, and compares every logit on the way.
///
/// # Panics
///
/// When the firmware does not build or run, or a logit is wrong.
pub fn measure(toolchain: &Toolchain, board: &Board, images: &Dataset) -> Measurement {
    let program = board.build(toolchain, Program::Infer);
    let elf = read_elf(&program);
    let weights = elf.size_of(|name| name.contains("inkling_app5model"));
    let kernels = elf.size_of(is_kernel);
    let whole = count(toolchain, board, &program, images, &plugin::stack_option(&elf));
    let depth = whole.stack.expect("the plugin was asked for the stack");
    let (arena, image) = (simple::ARENA_BYTES as u64, size_of::<simple::Image>() as u64);
    let layers = simple::INFO.layers.len();
    let program = board.build(toolchain, Program::Layers);
    let by_layer = count(toolchain, board, &program, images, "");
    Measurement {
        flash: Flash { weights, kernels, rest: elf.flash - weights - kernels },
        ram: Ram { arena, image, statics: elf.statics - arena - image, stack: depth },
        instructions: whole.worst(1)[0],
        layers: by_layer.worst(layers),
        kernels: elf.functions(is_kernel),
    }
}

/// Whether a symbol, as the compiler writes it, is a function that computes.
pub fn is_kernel(name: &str) -> bool {
    name.contains("firmware_core") || name.contains("bare5infer") || name.starts_with("inkling_")
}

fn count(
    toolchain: &Toolchain,
    board: &Board,
    program: &Path,
    images: &Dataset,
    options: &str,
) -> Counts {
    // Tests of one process measure the same board at the same time.
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let scratch = crate::scratch(&format!("count-{run}-{}", board.name));
    let out = scratch.join("counts");
    let emulator = board.start(program, &toolchain.plugin_arguments(&out, options));
    let mut line = connect(&emulator);
    for index in 0..IMAGES {
        let image = images.image(index);
        let logits = infer(&mut line, image).expect("the device answers");
        assert_eq!(logits, expected(image), "{}: test image {index}", board.title);
    }
    stop(emulator);
    let counts = Counts::read(&out);
    let _ = fs::remove_dir_all(&scratch);
    assert_eq!(counts.regions.len() % IMAGES, 0, "one count for each region of each image");
    counts
}
