//! The cores that QEMU emulates, each as a machine with room for any model: what `firmware-core/counts`
//! runs on them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::plugin::{self, Counts};
use super::toolchain::{Build, Toolchain};
use super::{measure, read_elf};

/// No program takes longer, even in an emulator on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// A core, as its code is compiled and where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Core {
    pub name: &'static str,
    target: &'static str,
    features: &'static [&'static str],
    /// What the compiler is told about the core beside its target.
    flags: &'static str,
    /// Where kernels are checked: a machine that has just this core.
    check: Machine,
    /// Where models are counted: a machine with room for them, on which the core's code runs.
    count: Machine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Machine {
    qemu: &'static str,
    name: &'static str,
    options: &'static [&'static str],
    /// The machine whose memory map, in `firmware-core/counts/build`, its programs are linked for.
    memory: &'static str,
}

const fn arm(name: &'static str) -> Machine {
    Machine { qemu: "qemu-system-arm", name, options: &[], memory: name }
}

/// Both have the same memory, and the cores run the same code: it is built once.
const M4: Machine = arm("mps2-an386");
const M7: Machine = Machine { memory: M4.name, ..arm("mps2-an500") };

const VIRT: Machine =
    Machine { options: &["-bios", "none"], qemu: "qemu-system-riscv32", ..arm("virt") };

/// The machine `virt` with one of the 64-bit Arm cores.
const fn aarch64(options: &'static [&'static str]) -> Machine {
    Machine { qemu: "qemu-system-aarch64", name: "virt", options, memory: "virt-aarch64" }
}

const A53: Machine = aarch64(&["-cpu", "cortex-a53", "-nic", "none"]);
const A76: Machine = aarch64(&["-cpu", "cortex-a76", "-nic", "none"]);

/// Cores of telephones and small computers, whose kernels are measured as those of microcontrollers are: one
/// with NEON alone, one with dot products, and the first again with the portable kernels. As in any operating
/// system addresses need not be aligned.
pub const APPLICATION_CORES: [Core; 3] = [
    Core {
        name: "Cortex-A53",
        target: "aarch64-unknown-none",
        features: &[],
        flags: "-C target-feature=-strict-align",
        check: A53,
        count: A53,
    },
    Core {
        name: "Cortex-A76",
        target: "aarch64-unknown-none",
        features: &[],
        flags: "-C target-feature=-strict-align,+dotprod",
        check: A76,
        count: A76,
    },
    Core {
        name: "Cortex-A53 portable",
        target: "aarch64-unknown-none",
        features: &[],
        flags: "-C target-feature=-strict-align --cfg inkling_portable",
        check: A53,
        count: A53,
    },
];

/// Every core of microcontrollers.
pub const CORES: [Core; 9] = [
    Core {
        name: "Cortex-M0",
        target: "thumbv6m-none-eabi",
        features: &[],
        flags: "",
        check: arm("microbit"),
        count: arm("mps2-an385"),
    },
    Core {
        name: "Cortex-M3",
        target: "thumbv7m-none-eabi",
        features: &[],
        flags: "",
        check: arm("mps2-an385"),
        count: arm("mps2-an385"),
    },
    Core {
        name: "Cortex-M4F",
        target: "thumbv7em-none-eabihf",
        features: &[],
        flags: "",
        check: M4,
        count: M4,
    },
    Core {
        name: "Cortex-M7",
        target: "thumbv7em-none-eabihf",
        features: &[],
        flags: "",
        check: M7,
        count: M7,
    },
    // The first core of this machine has neither DSP extension nor FPU.
    Core {
        name: "Cortex-M33",
        target: "thumbv8m.main-none-eabi",
        features: &[],
        flags: "",
        check: arm("mps2-an521"),
        count: arm("mps2-an521"),
    },
    Core {
        name: "Cortex-M33 with DSP",
        target: "thumbv8m.main-none-eabihf",
        features: &["dsp"],
        flags: "",
        check: arm("mps2-an505"),
        count: arm("mps2-an505"),
    },
    Core {
        name: "Cortex-M55",
        target: "thumbv8m.main-none-eabihf",
        features: &["dsp"],
        flags: "",
        check: arm("mps3-an547"),
        count: arm("mps3-an547"),
    },
    Core {
        name: "Cortex-M55 with MVE",
        target: "thumbv8m.main-none-eabihf",
        features: &[],
        flags: "--cfg inkling_mve",
        check: arm("mps3-an547"),
        count: arm("mps3-an547"),
    },
    Core {
        name: "RV32IMC",
        target: "riscv32imc-unknown-none-elf",
        features: &[],
        flags: "",
        check: VIRT,
        count: VIRT,
    },
];

/// What a model costs on a core, and what it computes there.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Instructions of a whole inference, the most over all inputs.
    pub instructions: u64,
    /// The same for each layer.
    pub layers: Vec<u64>,
    /// Bytes of flash: weights, biases and requantizations; the code that computes.
    pub weights: u64,
    pub kernels: u64,
    /// Bytes of stack.
    pub stack: u64,
    /// What the model returned for all inputs, one behind the other: the bytes of little-endian `i32`s.
    pub outputs: Vec<u8>,
}

/// What the preparation of frames costs on a core, and what it gave.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Of each frame.
    pub instructions: Vec<u64>,
    pub images: Vec<Option<Vec<u8>>>,
    /// Bytes of code.
    pub code: u64,
    /// Bytes of stack.
    pub stack: u64,
    /// Routines of checked indices and divisions, which the preparation must not need.
    pub panics: Vec<String>,
}

impl Prepared {
    /// Instructions of a frame in the mean.
    pub fn mean(&self) -> u64 {
        self.instructions.iter().sum::<u64>() / self.instructions.len().max(1) as u64
    }
}

impl std::fmt::Display for Prepared {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let worst = self.instructions.iter().max().copied().unwrap_or(0);
        write!(
            out,
            "{} instructions in the mean, {worst} at most, {} bytes of code, {} bytes of stack",
            self.mean(),
            self.code,
            self.stack
        )
    }
}

/// What the names of routines that panic have in them, but for those that a program calls itself.
const PANICS: [&str; 5] =
    ["panic_bounds_check", "panic_const", "_index_fail", "unwrap_failed", "len_mismatch_fail"];

/// What a program wrote as little-endian words.
fn integers(outputs: &[u8]) -> Vec<i32> {
    outputs.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect()
}

impl Cost {
    /// The outputs.
    pub fn logits(&self) -> Vec<i32> {
        integers(&self.outputs)
    }

    /// The outputs of a model that ends in 8-bit values, as their bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.logits().iter().map(|&value| value as u8).collect()
    }
}

impl Core {
    /// Whether the toolchain has a library for this core's target.
    pub fn is_known_to(&self, toolchain: &Toolchain) -> bool {
        toolchain.has(self.target)
    }

    /// Compares every layer with the scalar kernels, on shapes drawn from `seed`.
    ///
    /// # Errors
    ///
    /// What does not build, what the emulator said instead, or the case that differs.
    pub fn check(&self, toolchain: &Toolchain, seed: &str) -> Result<(), String> {
        let scratch = crate::scratch(&format!("check-{}", self.slug()));
        // Several programs, because all shapes in one do not fit into the smallest flash.
        let programs = ["check-known", "check-random", "check-four-bits", "check-requantized"];
        let environment = [("COUNTS_SEED", Path::new(seed))];
        let release = self.build(toolchain, self.check, &programs, &environment)?;
        for program in programs {
            let said = self.check.run(&release.join(program), &scratch, &[])?;
            if said.trim() != "checked" {
                return Err(format!("{}: {program}: {}", self.name, said.trim()));
            }
        }
        let _ = fs::remove_dir_all(&scratch);
        Ok(())
    }

    /// Runs the model in the folder `model` on inputs of `input_bytes` bytes each.
    ///
    /// # Errors
    ///
    /// What does not build or does not run, as one text.
    pub fn cost(
        &self,
        toolchain: &Toolchain,
        model: &Path,
        inputs: &[u8],
        input_bytes: usize,
    ) -> Result<Cost, String> {
        let release = self.build(toolchain, self.count, &["count"], &[("INKLING_MODEL", model)])?;
        let program = release.join("count");
        let elf = read_elf(&program);
        let scratch = crate::scratch(&format!("count-{}", self.slug()));
        let file = |name: &str| scratch.join(name);
        fs::write(file("inputs"), inputs).map_err(|error| error.to_string())?;
        let options = plugin::stack_option(&elf);
        let plugin = toolchain.plugin_arguments(&file("counts"), &options);
        let order = self.count.run(&program, &scratch, &plugin)?;
        let counts = Counts::read(&file("counts"));
        let outputs = fs::read(file("logits")).map_err(|error| error.to_string())?;
        let _ = fs::remove_dir_all(&scratch);

        let order: Vec<usize> =
            order.lines().filter_map(|line| line.strip_prefix("layer ")?.parse().ok()).collect();
        let (images, per_image) = (inputs.len() / input_bytes, 1 + order.len());
        if counts.regions.len() != images * per_image {
            let found = counts.regions.len();
            return Err(format!("{}: {found} counts of {images} × {per_image}", self.name));
        }
        let mut layers = vec![0; order.iter().max().map_or(0, |last| last + 1)];
        for image in counts.regions.chunks(per_image) {
            // A layer may run in several pieces, between those of others.
            let mut sums = vec![0; layers.len()];
            order.iter().zip(&image[1..]).for_each(|(&layer, count)| sums[layer] += count);
            layers
                .iter_mut()
                .zip(sums)
                .for_each(|(worst, sum): (&mut u64, u64)| *worst = sum.max(*worst));
        }
        Ok(Cost {
            instructions: counts.regions.iter().step_by(per_image).copied().max().unwrap_or(0),
            layers,
            weights: elf.size_of(|name| name.contains("inkling_app5model")),
            kernels: elf.size_of(measure::is_kernel),
            stack: counts.stack.unwrap_or(0),
            outputs,
        })
    }

    /// The logits of the model in the folder `model` for inputs of `input_bytes` bytes each, uncounted.
    ///
    /// # Errors
    ///
    /// As [`Core::cost`].
    pub fn logits(
        &self,
        toolchain: &Toolchain,
        model: &Path,
        inputs: &[u8],
        input_bytes: usize,
    ) -> Result<Vec<i32>, String> {
        let release = self.build(toolchain, self.count, &["count"], &[("INKLING_MODEL", model)])?;
        let scratch = crate::scratch(&format!("logits-{}", self.slug()));
        let file = |name: &str| scratch.join(name);
        let mut outputs = Vec::new();
        // So many that each run is far from the emulator's time limit.
        for part in inputs.chunks(1000 * input_bytes) {
            fs::write(file("inputs"), part).map_err(|error| error.to_string())?;
            self.count.run(&release.join("count"), &scratch, &[])?;
            outputs.extend(fs::read(file("logits")).map_err(|error| error.to_string())?);
        }
        let _ = fs::remove_dir_all(&scratch);
        Ok(integers(&outputs))
    }

    /// Loads a blob and runs it on inputs of `input_bytes` bytes each. Of the costs `layers` has one
    /// element: the instructions of the loading.
    ///
    /// # Errors
    ///
    /// As [`Core::cost`]; what the device says of a blob that it does not take.
    pub fn blob_cost(
        &self,
        toolchain: &Toolchain,
        blob: &Path,
        inputs: &[u8],
        input_bytes: usize,
    ) -> Result<Cost, String> {
        let release =
            self.build(toolchain, self.count, &["count-blob"], &[("INKLING_BLOB", blob)])?;
        let program = release.join("count-blob");
        let elf = read_elf(&program);
        let scratch = crate::scratch(&format!("count-blob-{}", self.slug()));
        let file = |name: &str| scratch.join(name);
        fs::write(file("inputs"), inputs).map_err(|error| error.to_string())?;
        let options = plugin::stack_option(&elf);
        let plugin = toolchain.plugin_arguments(&file("counts"), &options);
        self.count.run(&program, &scratch, &plugin)?;
        let counts = Counts::read(&file("counts"));
        let outputs = fs::read(file("logits")).map_err(|error| error.to_string())?;
        let _ = fs::remove_dir_all(&scratch);
        let found = counts.regions.len();
        if found != 1 + inputs.len() / input_bytes {
            return Err(format!("{}: {found} counts", self.name));
        }
        let size = fs::metadata(blob).map_err(|error| error.to_string())?.len();
        Ok(Cost {
            instructions: counts.regions[1..].iter().copied().max().unwrap_or(0),
            layers: vec![counts.regions[0]],
            weights: size,
            kernels: elf.size_of(measure::is_kernel),
            stack: counts.stack.unwrap_or(0),
            outputs,
        })
    }

    /// Prepares frames of 160 × 120 grey pixels, one behind the other, as digits of 28 × 28: the
    /// instructions that each took, what the program needs, and the images, `None` for a frame that
    /// was refused.
    ///
    /// # Errors
    ///
    /// What does not build or does not run, as one text.
    pub fn prepare(&self, toolchain: &Toolchain, frames: &[u8]) -> Result<Prepared, String> {
        let release = self.build(toolchain, self.count, &["count-prepare"], &[])?;
        let program = release.join("count-prepare");
        let elf = read_elf(&program);
        let scratch = crate::scratch(&format!("count-prepare-{}", self.slug()));
        let file = |name: &str| scratch.join(name);
        fs::write(file("inputs"), frames).map_err(|error| error.to_string())?;
        let options = plugin::stack_option(&elf);
        let plugin = toolchain.plugin_arguments(&file("counts"), &options);
        self.count.run(&program, &scratch, &plugin)?;
        let counts = Counts::read(&file("counts"));
        let images = fs::read(file("images")).map_err(|error| error.to_string())?;
        let _ = fs::remove_dir_all(&scratch);
        let images: Vec<Option<Vec<u8>>> = images
            .chunks_exact(1 + 28 * 28)
            .map(|answer| (answer[0] == 1).then(|| answer[1..].to_vec()))
            .collect();
        let count = frames.len() / (120 * 160);
        if images.len() != count || counts.regions.len() != count {
            let (images, counts) = (images.len(), counts.regions.len());
            return Err(format!("{}: {images} images and {counts} counts of {count}", self.name));
        }
        Ok(Prepared {
            instructions: counts.regions,
            images,
            code: elf
                .size_of(|name| name.contains("7prepare") || name.contains("__cortex_m_rt_main")),
            panics: elf
                .symbols
                .iter()
                .filter(|symbol| PANICS.iter().any(|part| symbol.name.contains(part)))
                .map(|symbol| symbol.name.clone())
                .collect(),
            stack: counts.stack.unwrap_or(0),
        })
    }

    fn build(
        &self,
        toolchain: &Toolchain,
        machine: Machine,
        programs: &[&str],
        environment: &[(&str, &Path)],
    ) -> Result<PathBuf, String> {
        let mut environment = environment.to_vec();
        environment.push(("COUNTS_MACHINE", Path::new(machine.memory)));
        // Programs that are compiled in another way stand beside the others.
        let mut beside = format!("{}-{}", self.target, machine.memory);
        if !self.flags.is_empty() {
            environment.push(("RUSTFLAGS", Path::new(self.flags)));
            beside += &self.flags.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        }
        toolchain.build(&Build {
            folder: &crate::root().join("firmware-core/counts"),
            target: self.target,
            features: self.features,
            programs,
            beside: &beside,
            environment: &environment,
        })
    }

    /// Its name as an argument or a part of a file's name.
    pub fn slug(&self) -> String {
        self.name.to_lowercase().replace(' ', "-")
    }
}

impl Machine {
    /// Runs a program in the folder `scratch` to its end, and returns what it printed.
    fn run(&self, elf: &Path, scratch: &Path, arguments: &[String]) -> Result<String, String> {
        // Into a file: a pipe that nobody empties would stop the program.
        let output = scratch.join("output");
        let to = File::create(&output).map_err(|error| error.to_string())?;
        let both = to.try_clone().map_err(|error| error.to_string())?;
        let mut child = Command::new(self.qemu)
            .args(["-M", self.name])
            .args(self.options)
            .args(["-display", "none", "-monitor", "none", "-serial", "none"])
            .args(["-semihosting-config", "enable=on,target=native"])
            .args(arguments)
            .arg("-kernel")
            .arg(elf)
            .current_dir(scratch)
            .stdin(Stdio::null())
            .stdout(to)
            .stderr(both)
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", self.qemu))?;
        let start = Instant::now();
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                // A program that runs into a fault stays there.
                _ if start.elapsed() > PATIENCE => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("{}: no end after {} s", self.name, PATIENCE.as_secs()));
                }
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let said = fs::read_to_string(&output).unwrap_or_default();
        if status.success() { Ok(said) } else { Err(format!("{}: {}", self.name, said.trim())) }
    }
}
