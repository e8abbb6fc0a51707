//! nRF52840-DK: nRF52840, a Cortex-M4F at 64 MHz.
//!
//! Serial port: the virtual port of the USB connector (P0.06 out, P0.08 in), 115200 baud, 8N1.
//! Lamp: LED 1. Counter: SysTick, at the processor's clock.

#![no_std]

use inkling_app::{Board, Ticks};
use nrf52840_pac::{CorePeripherals, P0, Peripherals, UART0};
use panic_halt as _;

pub use cortex_m_rt::entry;

const CPU_HZ: u32 = 64_000_000;
const TX: u32 = 6;
const RX: u32 = 8;
/// The LED hangs on the supply: a high pin keeps it dark.
const LED_1: u32 = 13;

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
        let Peripherals { CLOCK, NVMC, P0, UART0, .. } = device;

        // The serial port's baud rate needs the crystal; the chip starts on its RC oscillator.
        // SAFETY (here and below): any value that the register's documentation lists may be written.
        CLOCK.tasks_hfclkstart.write(|w| unsafe { w.bits(1) });
        while CLOCK.events_hfclkstarted.read().bits() == 0 {}
        // Flash has wait states; the cache hides them.
        NVMC.icachecnf.write(|w| w.cacheen().enabled());

        P0.outset.write(|w| unsafe { w.bits(1 << TX | 1 << LED_1) });
        P0.dirset.write(|w| unsafe { w.bits(1 << TX | 1 << LED_1) });
        UART0.psel.txd.write(|w| unsafe { w.bits(TX) });
        UART0.psel.rxd.write(|w| unsafe { w.bits(RX) });
        UART0.baudrate.write(|w| w.baudrate().baud115200());
        UART0.enable.write(|w| w.enable().enabled());
        UART0.tasks_starttx.write(|w| unsafe { w.bits(1) });
        UART0.tasks_startrx.write(|w| unsafe { w.bits(1) });

        Self { port: P0, ticks: Ticks::start(core.SYST), uart: UART0 }
    }
}

impl Board for Hardware {
    const NAME: &'static str = "nRF52840-DK";

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
            self.port.outclr.write(|w| unsafe { w.bits(1 << LED_1) });
        } else {
            self.port.outset.write(|w| unsafe { w.bits(1 << LED_1) });
        }
    }
}
