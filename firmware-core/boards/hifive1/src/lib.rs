//! SiFive HiFive1 Rev B: FE310-G002, an RV32IMAC core, here at 16 MHz.
//!
//! Serial port: UART0, which the USB connector carries (GPIO 17 out, GPIO 16 in), 115200 baud, 8N1.
//! Lamp: the green part of the LED (GPIO 19). Counter: `mcycle`.

#![no_std]

use e310x::{Gpio0, Peripherals, Prci, Uart0};
use inkling_app::Board;
use riscv::register::mcycle;

use panic_halt as _;
pub use riscv_rt::entry;

const BAUD: u32 = 115_200;
const CRYSTAL_HZ: u32 = 16_000_000;
const RX: u32 = 16;
const TX: u32 = 17;
const GREEN: u32 = 19;

/// The board, set up.
pub struct Hardware {
    gpio: Gpio0,
    uart: Uart0,
}

impl Hardware {
    /// Starts the crystal and the serial port. Call it once, at the start of `main`.
    #[allow(clippy::new_without_default, reason = "it takes the hardware over")]
    pub fn new() -> Self {
        // SAFETY: nobody else holds the peripherals, as this runs once and nothing else steals them.
        let device = unsafe { Peripherals::steal() };
        let Peripherals { gpio0: gpio, prci, uart0: uart, .. } = device;
        start_crystal(&prci);

        // SAFETY (here and below): any value that the register's documentation lists may be written.
        gpio.iof_sel().modify(|r, w| unsafe { w.bits(r.bits() & !(1 << RX | 1 << TX)) });
        gpio.iof_en().modify(|r, w| unsafe { w.bits(r.bits() | 1 << RX | 1 << TX) });
        // The LED hangs on the supply: a high pin keeps it dark.
        gpio.output_val().modify(|r, w| unsafe { w.bits(r.bits() | 1 << GREEN) });
        gpio.output_en().modify(|r, w| unsafe { w.bits(r.bits() | 1 << GREEN) });

        uart.div().write(|w| unsafe { w.bits(CRYSTAL_HZ / BAUD - 1) });
        uart.txctrl().write(|w| w.enable().set_bit());
        uart.rxctrl().write(|w| w.enable().set_bit());
        Self { gpio, uart }
    }
}

/// Runs the core from the crystal, around the PLL: the clock at which the flash works with the boot
/// loader's settings.
fn start_crystal(prci: &Prci) {
    prci.hfxosccfg().write(|w| w.enable().set_bit());
    while prci.hfxosccfg().read().ready().bit_is_clear() {}
    // `refsel` takes the crystal instead of the ring oscillator, `sel` the PLL's path to the core.
    prci.pllcfg().modify(|_, w| w.bypass().set_bit().refsel().set_bit());
    // SAFETY: bit 8 is "divide by one".
    prci.plloutdiv().write(|w| unsafe { w.bits(1 << 8) });
    prci.pllcfg().modify(|_, w| w.sel().set_bit());
}

impl Board for Hardware {
    const NAME: &'static str = "SiFive HiFive1 Rev B";

    fn read(&mut self) -> u8 {
        loop {
            // One read takes the byte and says whether there was one.
            let received = self.uart.rxdata().read();
            if received.empty().bit_is_clear() {
                return received.data().bits();
            }
        }
    }

    fn write(&mut self, byte: u8) {
        while self.uart.txdata().read().full().bit_is_set() {}
        // SAFETY: any byte may be sent.
        self.uart.txdata().write(|w| unsafe { w.data().bits(byte) });
    }

    fn ticks(&mut self) -> u32 {
        mcycle::read() as u32
    }

    fn ticks_hz(&self) -> u32 {
        CRYSTAL_HZ
    }

    fn lamp(&mut self, on: bool) {
        // SAFETY: any set of pins may be switched.
        self.gpio.output_val().modify(|r, w| unsafe {
            let others = r.bits() & !(1 << GREEN);
            w.bits(if on { others } else { others | 1 << GREEN })
        });
    }
}
