//! QEMU's counting plugin, `tools/icount.c`.

use std::fs;
use std::path::Path;

use super::Elf;

/// What the plugin wrote.
pub struct Counts {
    /// Instructions of each region, in the order in which they ended.
    pub regions: Vec<u64>,
    /// Bytes from the lowest store to the top of the stack, if that was asked for.
    pub stack: Option<u64>,
}

impl Counts {
    /// Reads the plugin's file.
    ///
    /// # Panics
    ///
    /// When it is not there.
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("the plugin wrote its counts");
        let field =
            |line: &str, label: &str| line.strip_prefix(label)?.rsplit(' ').next()?.parse().ok();
        Self {
            regions: text.lines().filter_map(|line| field(line, "region ")).collect(),
            stack: text.lines().find_map(|line| field(line, "stack ")),
        }
    }

    /// The largest count of each of the `per_image` regions of an image.
    pub fn worst(&self, per_image: usize) -> Vec<u64> {
        let of = |region| self.regions.iter().skip(region).step_by(per_image);
        (0..per_image).map(|region| of(region).copied().max().unwrap_or(0)).collect()
    }
}

/// The option with which the plugin watches the stack of this program.
///
/// # Panics
///
/// When the program's linker script does not name the stack's place.
pub fn stack_option(elf: &Elf) -> String {
    let low = elf.statics_end().expect("the linker script names the end of the statics");
    let high = elf.address("_stack_start").expect("the linker script names the top of the stack");
    format!(",stack={low:x}-{high:x}")
}

impl super::Toolchain {
    /// QEMU's arguments that make the plugin write to `out`.
    pub fn plugin_arguments(&self, out: &Path, options: &str) -> [String; 2] {
        ["-plugin".into(), format!("{},out={}{options}", self.plugin.display(), out.display())]
    }
}
