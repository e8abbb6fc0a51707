//! BBC micro:bit v1: nRF51822, a Cortex-M0 at 16 MHz.
//!
//! Serial port: the virtual port of the USB connector (P0.24 out, P0.25 in), 115200 baud, 8N1.
//! Lamp: the LED in the upper left corner. Counter: TIMER0, because this core has no SysTick.

#![no_std]

use inkling_app::Board;
use nrf51_pac::{GPIO, Peripherals, TIMER0, UART0};

pub use cortex_m_rt::entry;
use panic_halt as _;

const TX: u32 = 24;
const RX: u32 = 25;
/// The LED in the upper left corner shines while its row is high and its column low.
const ROW_1: u32 = 13;
const COLUMN_1: u32 = 4;

/// The board, set up.
pub struct Hardware {
    gpio: GPIO,
    timer: TIMER0,
    uart: UART0,
}

impl Hardware {
    /// Starts the crystal, the counter and the serial port. Call it once, at the start of `main`.
    #[allow(clippy::new_without_default, reason = "it takes the hardware over")]
    pub fn new() -> Self {
        // SAFETY: nobody else holds the peripherals, as this runs once and nothing else steals them.
        let Peripherals { CLOCK, GPIO, TIMER0, UART0, .. } = unsafe { Peripherals::steal() };

        // The serial port's baud rate needs the crystal; the chip starts on its RC oscillator.
        // SAFETY (here and below): any value that the register's documentation lists may be written.
        CLOCK.tasks_hfclkstart.write(|w| unsafe { w.bits(1) });
        while CLOCK.events_hfclkstarted.read().bits() == 0 {}

        TIMER0.bitmode.write(|w| w.bitmode()._32bit());
        TIMER0.prescaler.write(|w| unsafe { w.bits(0) });
        TIMER0.tasks_start.write(|w| unsafe { w.bits(1) });

        GPIO.outset.write(|w| unsafe { w.bits(1 << TX) });
        GPIO.dirset.write(|w| unsafe { w.bits(1 << TX | 1 << ROW_1 | 1 << COLUMN_1) });
        UART0.pseltxd.write(|w| unsafe { w.bits(TX) });
        UART0.pselrxd.write(|w| unsafe { w.bits(RX) });
        UART0.baudrate.write(|w| w.baudrate().baud115200());
        UART0.enable.write(|w| w.enable().enabled());
        UART0.tasks_starttx.write(|w| unsafe { w.bits(1) });
        UART0.tasks_startrx.write(|w| unsafe { w.bits(1) });

        Self { gpio: GPIO, timer: TIMER0, uart: UART0 }
    }
}

impl Board for Hardware {
    const NAME: &'static str = "BBC micro:bit v1";

    fn read(&mut self) -> u8 {
        while self.uart.events_rxdrdy.read().bits() == 0 {}
        self.uart.events_rxdrdy.reset();
        self.uart.rxd.read().rxd().bits()
    }

    fn write(&mut self, byte: u8) {
        self.uart.txd.write(|w| w.txd().variant(byte));
        while self.uart.events_txdrdy.read().bits() == 0 {}
        self.uart.events_txdrdy.reset();
    }

    fn ticks(&mut self) -> u32 {
        // SAFETY: 1 triggers the task.
        self.timer.tasks_capture[0].write(|w| unsafe { w.bits(1) });
        self.timer.cc[0].read().bits()
    }

    fn ticks_hz(&self) -> u32 {
        16_000_000
    }

    fn lamp(&mut self, on: bool) {
        let port = &self.gpio;
        // SAFETY: any set of pins may be switched.
        if on {
            port.outset.write(|w| unsafe { w.bits(1 << ROW_1) });
        } else {
            port.outclr.write(|w| unsafe { w.bits(1 << ROW_1) });
        }
    }
}
