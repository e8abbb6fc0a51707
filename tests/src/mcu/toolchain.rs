//! What `tools/mcu-toolchain` set up.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// The compiler for bare-metal targets, QEMU and the plugin that counts.
#[derive(Clone, Debug)]
pub struct Toolchain {
    rustc: PathBuf,
    pub plugin: PathBuf,
}

/// A build of a firmware workspace.
pub struct Build<'a> {
    /// The folder of its Cargo.toml.
    pub folder: &'a Path,
    pub target: &'a str,
    pub features: &'a [&'a str],
    /// The programs that are wanted; empty for all.
    pub programs: &'a [&'a str],
    /// A folder inside `folder/target`, so that builds with other models stand beside each other; empty
    /// for the one that `cargo build` uses.
    pub beside: &'a str,
    pub environment: &'a [(&'a str, &'a Path)],
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
        for qemu in ["qemu-system-arm", "qemu-system-aarch64", "qemu-system-riscv32"] {
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
        Self::find()
            .map_err(|missing| {
                crate::skip(what, &missing, "tools/mcu-toolchain", "INKLING_REQUIRE_MCU");
            })
            .ok()
    }

    /// Whether the compiler has a library for `target`.
    pub fn has(&self, target: &str) -> bool {
        let mut folder = Command::new(&self.rustc);
        folder.args(["--print", "target-libdir", "--target", target]);
        let folder =
            folder.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        folder.is_ok_and(|folder| Path::new(folder.trim()).is_dir())
    }

    /// The compiler's version, as it names itself.
    pub fn version(&self) -> String {
        let output = Command::new(&self.rustc).arg("-V").output();
        output
            .map_or_else(|_| "unknown".into(), |o| String::from_utf8_lossy(&o.stdout).trim().into())
    }

    /// Builds programs of a firmware workspace and returns their folder; on failure, the last lines
    /// that cargo wrote.
    pub fn build(&self, build: &Build) -> Result<PathBuf, String> {
        // One at a time: tests run in parallel, and each build uses all cores.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let target_folder = build.folder.join("target").join(build.beside);
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--release", "--locked"])
            .args(match build.programs {
                [] => vec!["--bins"],
                programs => programs.iter().flat_map(|program| ["--bin", program]).collect(),
            })
            .args(["--target", build.target, "--features", &build.features.join(",")])
            .current_dir(build.folder)
            .env("RUSTC", &self.rustc)
            .env("CARGO_TARGET_DIR", &target_folder)
            // What is no program is shared: most of a firmware's build are procedural macros for the host.
            .env("CARGO_BUILD_BUILD_DIR", crate::root().join("target/firmware"))
            // Nobody looks for lines of source here, which take a tenth of a build and change no instruction.
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("INKLING_MODEL")
            .envs(build.environment.iter().copied())
            .output()
            .expect("cargo runs");
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("{} does not build:\n{said}", build.folder.display()));
        }
        Ok(target_folder.join(build.target).join("release"))
    }
}
