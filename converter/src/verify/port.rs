//! The line to a device: a serial port, or TCP for an emulator's.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serial2::SerialPort;

/// A line opened for reading and writing, with a limit on how long a read waits.
pub trait Port: Read + Write + Send {
    /// Makes a read that finds nothing fail after `timeout`, with [`io::ErrorKind::TimedOut`] or
    /// [`io::ErrorKind::WouldBlock`].
    fn set_timeout(&mut self, timeout: Duration) -> io::Result<()>;
}

impl Port for TcpStream {
    fn set_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout))
    }
}

impl Port for SerialPort {
    fn set_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(timeout)
    }
}

/// Why a port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    #[error(
        "--port {name}: cannot connect ({error}); is the emulator running, with its serial port as a server?"
    )]
    Tcp { name: String, error: io::Error },
    #[error("--port {name}: write tcp:HOST:PORT, for example tcp:127.0.0.1:4444")]
    TcpName { name: String },
    #[error("--port {name}: cannot be opened ({error}); {known}")]
    Serial { name: String, error: io::Error, known: String },
}

/// Opens `name`: `tcp:HOST:PORT`, or a serial port at `baud`, 8 data bits, no parity, 1 stop bit.
pub fn open(name: &str, baud: u32) -> Result<Box<dyn Port>, PortError> {
    if let Some(address) = name.strip_prefix("tcp:") {
        return connect(name, address);
    }
    match SerialPort::open(name, baud) {
        Ok(port) => Ok(Box::new(port)),
        Err(error) => Err(PortError::Serial { name: name.into(), error, known: known_ports() }),
    }
}

fn connect(name: &str, address: &str) -> Result<Box<dyn Port>, PortError> {
    let mut addresses = match address.to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(_) => return Err(PortError::TcpName { name: name.into() }),
    };
    let Some(address) = addresses.next() else {
        return Err(PortError::TcpName { name: name.into() });
    };
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).and_then(|stream| {
        // A request is smaller than a packet; waiting to fill one would cost 40 ms each.
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        Ok(stream)
    });
    match stream {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(PortError::Tcp { name: name.into(), error }),
    }
}

fn known_ports() -> String {
    match SerialPort::available_ports() {
        Ok(ports) if !ports.is_empty() => {
            let names: Vec<_> = ports.iter().map(|port| port.display().to_string()).collect();
            format!("this machine has {}", names.join(", "))
        }
        _ => "this machine shows no serial port; is the board plugged in?".into(),
    }
}
