//! What a board brings.

/// A board's hardware, set up and ready.
pub trait Board {
    /// The board's name, at most 32 bytes.
    const NAME: &'static str;

    /// Waits for a byte on the serial port.
    fn read(&mut self) -> u8;

    /// Puts a byte on the serial port.
    fn write(&mut self, byte: u8);

    /// A counter that runs freely and wraps at 2^32; any value when the board has none.
    fn ticks(&mut self) -> u32;

    /// Steps of [`ticks`](Self::ticks) per second; 0 when the board has no counter.
    fn ticks_hz(&self) -> u32;

    /// Switches the board's lamp.
    fn lamp(&mut self, on: bool);
}
