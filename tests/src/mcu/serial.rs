//! What tests say to an emulated board.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use converter::verify::emulator::Emulator;

/// No answer of a device takes longer, even in an emulator on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The serial port of an emulator.
pub fn connect(emulator: &Emulator) -> TcpStream {
    let line = emulator.line().expect("a socket can be shared");
    line.set_read_timeout(Some(PATIENCE)).expect("a socket has options");
    line
}

/// What a board with the demonstration says at boot, until its self-test has ended.
pub fn boot(qemu: &Emulator) -> String {
    let mut line = connect(qemu);
    let mut text = String::new();
    let mut byte = [0];
    while !["passed\r\n", "FAILED\r\n"].iter().any(|end| text.ends_with(end)) {
        assert!(text.len() < 10_000, "{text}");
        line.read_exact(&mut byte).expect("the board goes on talking");
        text.push(char::from(byte[0]));
    }
    text
}

/// Ends the emulator in an orderly way, so that its plugin writes what it has.
pub fn stop(emulator: Emulator) {
    let ended = Command::new("kill").arg(emulator.id().to_string()).status();
    assert!(ended.is_ok_and(|status| status.success()), "QEMU was not running any more");
    emulator.wait();
}

/// Sends one image to the programs `infer` and `layers`, and reads its logits.
pub fn infer<const CLASSES: usize>(
    line: &mut TcpStream,
    image: &[u8],
) -> io::Result<[i32; CLASSES]> {
    let mut ready = [0; 1];
    line.read_exact(&mut ready)?;
    if ready != *b"?" {
        return Err(io::Error::other(format!("the device said {ready:?}, not that it is ready")));
    }
    line.write_all(image)?;
    let mut bytes = [[0; 4]; CLASSES];
    line.read_exact(bytes.as_flattened_mut())?;
    Ok(bytes.map(i32::from_le_bytes))
}
