//! QEMU as a board: which machine, the firmware that is built for it, and the running emulator.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where the boards are, from the repository's root.
pub const BOARDS: &str = "firmware-core/boards";

/// How long QEMU may take to start; on a busy machine it needs seconds.
const START: Duration = Duration::from_secs(60);

/// A board's folder, with what its `.cargo/config.toml` says about building and running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardFolder {
    pub folder: PathBuf,
    /// The target triple that cargo builds for.
    pub target: String,
    /// The program and the arguments that `cargo run` puts before the firmware's path.
    pub runner: Vec<String>,
}

/// Why there is no emulator.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    #[error(
        "--qemu {board}: there is no such board ({error}); give a folder of {BOARDS}, for example microbit, \
         and start in the repository's root"
    )]
    NoBoard { board: String, error: io::Error },
    #[error("{path}: {problem}")]
    Config { path: String, problem: String },
    #[error("--qemu {board}: QEMU does not emulate this board; connect it and give --port")]
    NotEmulated { board: String },
    #[error(
        "--qemu {board}: the firmware does not build, see above; tools/mcu-toolchain sets up what it needs"
    )]
    Build { board: String },
    #[error("{program} does not start ({error}); tools/mcu-toolchain installs it")]
    Start { program: String, error: io::Error },
    #[error("{program} ended at once: {said}")]
    Ended { program: String, said: String },
    #[error("{program} does not open its serial port within {} s", START.as_secs())]
    Mute { program: String },
}

impl BoardFolder {
    /// The board called `board` under [`BOARDS`], or the one in the folder `board`.
    ///
    /// # Errors
    ///
    /// No such folder, or a configuration without target and runner.
    pub fn open(board: &str) -> Result<Self, EmulatorError> {
        let by_name = Path::new(BOARDS).join(board);
        let folder = if by_name.is_dir() { by_name } else { PathBuf::from(board) };
        let path = folder.join(".cargo/config.toml");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| EmulatorError::NoBoard { board: board.into(), error })?;
        let config =
            |problem: String| EmulatorError::Config { path: path.display().to_string(), problem };
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| config(error.message().to_string()))?;
        let target = table.get("build").and_then(|build| build.get("target")?.as_str());
        let target = target.ok_or_else(|| config("[build] names no target".into()))?.to_string();
        let runner = table.get("target").and_then(|all| all.get(&target)?.get("runner")?.as_str());
        let runner = runner.ok_or_else(|| config(format!("[target.{target}] names no runner")))?;
        let runner = runner.split_whitespace().map(str::to_string).collect();
        Ok(Self { folder, target, runner })
    }

    /// The folder's name, which is the demonstration's too.
    pub fn name(&self) -> String {
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether QEMU is what runs the board's programs.
    pub fn is_emulated(&self) -> bool {
        self.runner.first().is_some_and(|program| program.starts_with("qemu-system-"))
    }

    /// The program that emulates the board, and the arguments that name the machine.
    ///
    /// # Errors
    ///
    /// [`EmulatorError::NotEmulated`].
    pub fn machine(&self) -> Result<(&str, &[String]), EmulatorError> {
        let (Some((program, arguments)), true) = (self.runner.split_first(), self.is_emulated())
        else {
            return Err(EmulatorError::NotEmulated { board: self.name() });
        };
        // From here on the runner says where the serial port goes.
        let end =
            arguments.iter().position(|argument| argument == "-display" || argument == "-serial");
        Ok((program, &arguments[..end.unwrap_or(arguments.len())]))
    }

    /// Builds the demonstration with the model in `model`; cargo tells on standard error how it goes.
    ///
    /// # Errors
    ///
    /// [`EmulatorError::Build`].
    pub fn build(&self, model: &Path) -> Result<PathBuf, EmulatorError> {
        let failed = || EmulatorError::Build { board: self.name() };
        let model = model.canonicalize().map_err(|_| failed())?;
        let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--release", "--bin", &self.name()])
            .current_dir(&self.folder)
            .env("INKLING_MODEL", model)
            .env("CARGO_TARGET_DIR", "target/verify")
            .stdout(Stdio::null())
            .status();
        if !built.is_ok_and(|status| status.success()) {
            return Err(failed());
        }
        Ok(self.folder.join("target/verify").join(&self.target).join("release").join(self.name()))
    }
}

/// A running emulator. It ends when this is dropped.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    line: TcpStream,
}

impl Emulator {
    /// Starts `board` with the program in `elf` and waits until its serial port is connected; `arguments`
    /// are QEMU's own.
    ///
    /// # Errors
    ///
    /// QEMU does not emulate the board, is missing, or ends at once.
    pub fn start(
        board: &BoardFolder,
        elf: &Path,
        arguments: &[String],
    ) -> Result<Self, EmulatorError> {
        let (program, machine) = board.machine()?;
        let start = |error| EmulatorError::Start { program: program.into(), error };
        // QEMU connects to us and not the other way round: a port that we hold is free for certain.
        let listener = TcpListener::bind("127.0.0.1:0").map_err(start)?;
        let port = listener.local_addr().map_err(start)?.port();
        listener.set_nonblocking(true).map_err(start)?;
        let mut child = Command::new(program)
            .args(machine)
            .args(["-display", "none", "-monitor", "none"])
            // Without nodelay every byte of an answer would wait 40 ms for company.
            .args(["-serial", &format!("tcp:127.0.0.1:{port},nodelay=on")])
            .arg("-kernel")
            .arg(elf)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(start)?;
        match accept(&listener, &mut child, program) {
            Ok(line) => Ok(Self { child, line }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// The serial port.
    ///
    /// # Errors
    ///
    /// The operating system's, if it cannot share a socket.
    pub fn line(&self) -> io::Result<TcpStream> {
        self.line.try_clone()
    }

    /// The operating system's number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn wait(mut self) {
        let _ = self.child.wait();
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn accept(
    listener: &TcpListener,
    child: &mut Child,
    program: &str,
) -> Result<TcpStream, EmulatorError> {
    let failed = |error| EmulatorError::Start { program: program.into(), error };
    let start = Instant::now();
    while start.elapsed() < START {
        match listener.accept() {
            Ok((line, _)) => {
                // On some systems a connection inherits that its listener does not block.
                line.set_nonblocking(false)
                    .and_then(|()| line.set_nodelay(true))
                    .map_err(failed)?;
                return Ok(line);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(failed(error)),
        }
        if !matches!(child.try_wait(), Ok(None)) {
            return Err(EmulatorError::Ended { program: program.into(), said: last_words(child) });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(EmulatorError::Mute { program: program.into() })
}

/// The first line that an ended process wrote to its standard error.
fn last_words(child: &mut Child) -> String {
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = io::Read::read_to_string(&mut stderr, &mut said);
    }
    said.lines().next().unwrap_or("it said nothing").trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(runner: &str) -> BoardFolder {
        let runner = runner.split_whitespace().map(str::to_string).collect();
        BoardFolder { folder: "boards/some".into(), target: "t".into(), runner }
    }

    #[test]
    fn the_machine_is_what_the_runner_names() {
        let emulated = board(
            "qemu-system-riscv32 -M sifive_e,revb=true -display none -serial mon:stdio -kernel",
        );
        let (program, machine) = emulated.machine().expect("QEMU emulates it");
        assert_eq!(program, "qemu-system-riscv32");
        assert_eq!(machine, ["-M", "sifive_e,revb=true"]);
        let flashed = board("probe-rs run --chip RP2040");
        assert!(matches!(flashed.machine(), Err(EmulatorError::NotEmulated { .. })));
    }
}
