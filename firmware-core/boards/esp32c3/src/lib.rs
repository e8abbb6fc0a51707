//! ESP32-C3-DevKitM-1: ESP32-C3, an RV32IMC core at 160 MHz.
//!
//! Serial port: UART0, which the USB connector carries (GPIO 21 out, GPIO 20 in), 115200 baud, 8N1.
//! Lamp: GPIO 2, for an LED of your own; the one on the board is not a plain LED.
//! Counter: the system timer, 16 MHz.

#![no_std]

use esp_hal::Blocking;
use esp_hal::clock::CpuClock;
use esp_hal::gpio::{Level, Output, OutputConfig};
use esp_hal::timer::systimer::{SystemTimer, Unit};
use esp_hal::uart::{Config, Uart};
use inkling_app::Board;

/// The board, set up.
pub struct Esp32C3 {
    lamp: Output<'static>,
    uart: Uart<'static, Blocking>,
}

impl Esp32C3 {
    /// Starts the clocks, the counter and the serial port. Call it once, at the start of `main`.
    ///
    /// # Panics
    ///
    /// When the baud rate cannot be reached.
    #[allow(clippy::new_without_default, reason = "it takes the hardware over")]
    pub fn new() -> Self {
        let settings = esp_hal::Config::default().with_cpu_clock(CpuClock::max());
        let device = esp_hal::init(settings);
        let lamp = Output::new(device.GPIO2, Level::Low, OutputConfig::default());
        // The default is 115200 baud, 8N1.
        let Ok(uart) = Uart::new(device.UART0, Config::default()) else {
            panic!("the baud rate cannot be reached")
        };
        let uart = uart.with_tx(device.GPIO21).with_rx(device.GPIO20);
        // Enables the timer's clock; it runs for good.
        let _ = SystemTimer::new(device.SYSTIMER);
        Self { lamp, uart }
    }
}

impl Board for Esp32C3 {
    const NAME: &'static str = "ESP32-C3-DevKitM-1";

    fn read(&mut self) -> u8 {
        let mut byte = [0];
        // A byte with a wrong stop bit is lost; the protocol notices.
        while !matches!(self.uart.read(&mut byte), Ok(1)) {}
        byte[0]
    }

    fn write(&mut self, byte: u8) {
        while !matches!(self.uart.write(&[byte]), Ok(1)) {}
    }

    fn ticks(&mut self) -> u32 {
        SystemTimer::unit_value(Unit::Unit0) as u32
    }

    fn ticks_hz(&self) -> u32 {
        SystemTimer::ticks_per_second() as u32
    }

    fn lamp(&mut self, on: bool) {
        self.lamp.set_level(if on { Level::High } else { Level::Low });
    }
}
