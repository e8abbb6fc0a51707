//! What the inference costs on a board: flash, RAM and instructions, measured.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use inkling_data::Dataset;

use super::qemu::{Qemu, infer};
use super::{Board, Program, Toolchain, expected, read_elf, simple};

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
    pub statics: u64,
    /// Return addresses, saved registers and local values: the deepest store, less arena and image.
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
    let program = toolchain.build(board, Program::Infer);
    let elf = read_elf(&program);
    let weights = elf.size_of(|name| name.contains("inkling_app5model"));
    let kernels = elf.size_of(is_kernel);
    let low = elf.statics_end().expect("the linker script names the end of the statics");
    let high = elf.address("_stack_start").expect("the linker script names the top of the stack");

    let stack = format!(",stack={low:x}-{high:x}");
    let whole = count(toolchain, board, &program, images, &stack);
    let depth = whole.stack.expect("the plugin was asked for the stack");
    let (arena, image) = (simple::ARENA_BYTES as u64, size_of::<simple::Image>() as u64);
    let layers = simple::INFO.layers.len();
    let program = toolchain.build(board, Program::Layers);
    let by_layer = count(toolchain, board, &program, images, "");
    Measurement {
        flash: Flash { weights, kernels, rest: elf.flash - weights - kernels },
        ram: Ram { arena, image, statics: elf.statics, stack: depth - arena - image },
        instructions: whole.worst(1)[0],
        layers: by_layer.worst(layers),
        kernels: elf.functions(is_kernel),
    }
}

/// Whether a symbol, as the compiler writes it, is a function that computes.
fn is_kernel(name: &str) -> bool {
    name.contains("firmware_core") || name.contains("bare5infer") || name.starts_with("inkling_")
}

/// What the plugin wrote.
struct Counts {
    regions: Vec<u64>,
    stack: Option<u64>,
}

impl Counts {
    /// The largest count of each of the `per_image` regions of an image.
    fn worst(&self, per_image: usize) -> Vec<u64> {
        assert_eq!(
            self.regions.len(),
            IMAGES * per_image,
            "one count for each region of each image"
        );
        let of = |region| self.regions.iter().skip(region).step_by(per_image);
        (0..per_image).map(|region| of(region).copied().max().unwrap_or(0)).collect()
    }
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
    let plugin = format!("{},out={}{options}", toolchain.plugin.display(), out.display());
    let qemu = Qemu::start(board, program, &["-plugin".into(), plugin]);
    let mut line = qemu.connect();
    for index in 0..IMAGES {
        let image = images.image(index);
        let logits = infer(&mut line, image).expect("the device answers");
        assert_eq!(logits, expected(image), "{}: test image {index}", board.title);
    }
    qemu.stop();
    let text = fs::read_to_string(&out).expect("the plugin wrote its counts");
    let _ = fs::remove_dir_all(&scratch);
    let field =
        |line: &str, label: &str| line.strip_prefix(label)?.rsplit(' ').next()?.parse().ok();
    Counts {
        regions: text.lines().filter_map(|line| field(line, "region ")).collect(),
        stack: text.lines().find_map(|line| field(line, "stack ")),
    }
}
