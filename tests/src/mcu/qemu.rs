//! A firmware running in QEMU, with its serial port on a TCP connection.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Board, Emulator};

/// No answer of a device takes longer, even in an emulator on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running emulator. It ends when this is dropped.
pub struct Qemu {
    child: Child,
    port: u16,
}

impl Qemu {
    /// Loads the firmware `elf`. It starts to run when something connects to its serial port.
    ///
    /// # Panics
    ///
    /// When QEMU does not start, or does not emulate the board.
    pub fn start(board: &Board, elf: &Path, arguments: &[String]) -> Self {
        let Some(Emulator { qemu, machine }) = board.emulator else {
            panic!("QEMU does not emulate {}", board.title)
        };
        // A port that was free a moment ago; QEMU cannot choose one by itself.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a free port on this machine").port();
        let child = Command::new(qemu)
            .args(["-M", machine, "-display", "none", "-monitor", "none"])
            // Without nodelay every byte of an answer would wait 40 ms for company.
            .args(["-serial", &format!("tcp:127.0.0.1:{port},server=on,wait=on,nodelay=on")])
            .arg("-kernel")
            .arg(elf)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("QEMU starts");
        let mut qemu = Self { child, port };
        qemu.wait_until_it_listens();
        qemu
    }

    /// The serial port, in the form `verify --port` takes.
    pub fn port(&self) -> String {
        format!("tcp:127.0.0.1:{}", self.port)
    }

    /// The serial port.
    pub fn connect(&self) -> TcpStream {
        let line = TcpStream::connect(("127.0.0.1", self.port)).expect("QEMU listens");
        line.set_nodelay(true)
            .and_then(|()| line.set_read_timeout(Some(PATIENCE)))
            .expect("socket options");
        line
    }

    /// Ends the emulator in an orderly way, so that its plugin writes what it has.
    pub fn stop(mut self) {
        let ended = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(ended.is_ok_and(|status| status.success()), "QEMU was not running any more");
        let _ = self.child.wait();
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// A connection would start the firmware, so the kernel's table is asked instead.
    fn wait_until_it_listens(&mut self) {
        let start = Instant::now();
        let address = format!("0100007F:{:04X} 00000000:0000 0A", self.port);
        while start.elapsed() < PATIENCE {
            assert!(self.is_running(), "QEMU ended at once; does this one know the board?");
            if std::fs::read_to_string("/proc/net/tcp").is_ok_and(|table| table.contains(&address))
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("QEMU does not listen on its serial port");
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends one image to the programs `infer` and `layers`, and reads its logits.
pub fn infer(line: &mut TcpStream, image: &[u8]) -> io::Result<[i32; 10]> {
    let mut ready = [0; 1];
    line.read_exact(&mut ready)?;
    if ready != *b"?" {
        return Err(io::Error::other(format!("the device said {ready:?}, not that it is ready")));
    }
    line.write_all(image)?;
    let mut bytes = [[0; 4]; 10];
    line.read_exact(bytes.as_flattened_mut())?;
    Ok(bytes.map(i32::from_le_bytes))
}
