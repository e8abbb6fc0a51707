//! Arduino Nano 33 BLE: nRF52840, a Cortex-M4F at 64 MHz.
//!
//! Serial port: the pins TX (P1.03) and RX (P1.10), 115200 baud, 8N1; the USB connector is the chip's own.
//! Lamp: the LED beside the connector (P0.13). Counter: SysTick, at the processor's clock.

#![no_std]

use inkling_app::{Board, Ticks};
use nrf52840_pac::{CorePeripherals, P0, Peripherals, UART0};
use panic_halt as _;

pub use cortex_m_rt::entry;

const CPU_HZ: u32 = 64_000_000;
/// Pins of port 1.
const TX: u32 = 3;
const RX: u32 = 10;
/// A pin of port 0.
const LED: u32 = 13;

/// The board, set up.
pub struct Hardware {
    port: P0,
    ticks: Ticks,
    uart: UART0,
}

impl Hardware {
    /// Starts the crystal, the counter and the serial port. Call it once, at the start of `main`.
    #[allow(clippy::new_without_default, reason = "it takes the hardware over")]
    pub fn new() -> Self {
        // SAFETY: nobody else holds the peripherals, as this runs once and nothing else steals them.
        let (core, device) = unsafe { (CorePeripherals::steal(), Peripherals::steal()) };
        let Peripherals { CLOCK, NVMC, P0, P1, UART0, .. } = device;

        // The serial port's baud rate needs the crystal; the chip starts on its RC oscillator.
        // SAFETY (here and below): any value that the register's documentation lists may be written.
        CLOCK.tasks_hfclkstart.write(|w| unsafe { w.bits(1) });
        while CLOCK.events_hfclkstarted.read().bits() == 0 {}
        // Flash has wait states; the cache hides them.
        NVMC.icachecnf.write(|w| w.cacheen().enabled());

        P0.dirset.write(|w| unsafe { w.bits(1 << LED) });
        P1.outset.write(|w| unsafe { w.bits(1 << TX) });
        P1.dirset.write(|w| unsafe { w.bits(1 << TX) });
        UART0
            .psel
            .txd
            .write(|w| unsafe { w.port().bit(true).pin().bits(TX as u8).connect().connected() });
        UART0
            .psel
            .rxd
            .write(|w| unsafe { w.port().bit(true).pin().bits(RX as u8).connect().connected() });
        UART0.baudrate.write(|w| w.baudrate().baud115200());
        UART0.enable.write(|w| w.enable().enabled());
        UART0.tasks_starttx.write(|w| unsafe { w.bits(1) });
        UART0.tasks_startrx.write(|w| unsafe { w.bits(1) });

        Self { port: P0, ticks: Ticks::start(core.SYST), uart: UART0 }
    }
}

impl Board for Hardware {
    const NAME: &'static str = "Arduino Nano 33 BLE";

    fn read(&mut self) -> u8 {
        while self.uart.events_rxdrdy.read().bits() == 0 {}
        self.uart.events_rxdrdy.reset();
        self.uart.rxd.read().rxd().bits()
    }

    fn write(&mut self, byte: u8) {
        self.uart.txd.write(|w| unsafe { w.txd().bits(byte) });
        while self.uart.events_txdrdy.read().bits() == 0 {}
        self.uart.events_txdrdy.reset();
    }

    fn ticks(&mut self) -> u32 {
        self.ticks.now()
    }

    fn ticks_hz(&self) -> u32 {
        CPU_HZ
    }

    fn lamp(&mut self, on: bool) {
        // SAFETY: any set of pins may be switched.
        if on {
            self.port.outset.write(|w| unsafe { w.bits(1 << LED) });
        } else {
            self.port.outclr.write(|w| unsafe { w.bits(1 << LED) });
        }
    }
}
