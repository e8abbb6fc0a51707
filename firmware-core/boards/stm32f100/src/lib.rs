//! STM32VLDISCOVERY: STM32F100, a Cortex-M3 at 24 MHz with 8 KB of RAM.
//!
//! Serial port: USART1 (PA9 out, PA10 in), 115200 baud, 8N1. Lamp: the green LED (PC9).
//! Counter: SysTick, at the processor's clock.

#![no_std]

use inkling_app::{Board, Ticks};
use stm32f1::stm32f100::{CorePeripherals, GPIOC, Peripherals, RCC, USART1};

pub use cortex_m_rt::entry;
use panic_halt as _;

const BAUD: u32 = 115_200;
const HSI_HZ: u32 = 8_000_000;
const PLL_HZ: u32 = 24_000_000;

/// The board, set up.
pub struct Hardware {
    lamp: GPIOC,
    ticks: Ticks,
    hz: u32,
    uart: USART1,
}

impl Hardware {
    /// Starts the clock, the counter and the serial port. Call it once, at the start of `main`.
    #[allow(clippy::new_without_default, reason = "it takes the hardware over")]
    pub fn new() -> Self {
        // SAFETY: nobody else holds the peripherals, as this runs once and nothing else steals them.
        let (core, device) = unsafe { (CorePeripherals::steal(), Peripherals::steal()) };
        let Peripherals { GPIOA, GPIOC, RCC, USART1, .. } = device;

        let hz = if start_pll(&RCC) { PLL_HZ } else { HSI_HZ };

        RCC.apb2enr().modify(|_, w| w.iopaen().enabled().iopcen().enabled().usart1en().enabled());
        // PA10 is a floating input after reset, which is what the receiver needs.
        GPIOA.crh().modify(|_, w| w.mode9().output50().cnf9().alt_push_pull());
        GPIOC.crh().modify(|_, w| w.mode9().output().cnf9().push_pull());

        // SAFETY: the register takes the divisor in sixteenths, as 12.4 bits; this is below 4096.
        USART1.brr().write(|w| unsafe { w.bits(((hz + BAUD / 2) / BAUD) as u16) });
        USART1.cr1().write(|w| w.ue().enabled().te().enabled().re().enabled());

        Self { lamp: GPIOC, ticks: Ticks::start(core.SYST), hz, uart: USART1 }
    }
}

/// Runs the processor from the PLL, which multiplies the internal oscillator: that needs no crystal,
/// and its 1 % is close enough for the serial port. `false`, and the plain internal oscillator, if the
/// PLL does not settle; an emulator may have none.
fn start_pll(rcc: &RCC) -> bool {
    // 8 MHz / 2 * 6 = 24 MHz, at which this part's flash needs no wait states.
    rcc.cfgr().modify(|_, w| w.pllsrc().hsi_div2().pllmul().mul6());
    rcc.cr().modify(|_, w| w.pllon().on());
    // The data sheet says 200 us at most; this is some milliseconds.
    if !(0..10_000).any(|_| rcc.cr().read().pllrdy().is_ready()) {
        return false;
    }
    rcc.cfgr().modify(|_, w| w.sw().pll());
    true
}

impl Board for Hardware {
    const NAME: &'static str = "STM32VLDISCOVERY";

    fn read(&mut self) -> u8 {
        while self.uart.sr().read().rxne().bit_is_clear() {}
        self.uart.dr().read().bits() as u8
    }

    fn write(&mut self, byte: u8) {
        while self.uart.sr().read().txe().bit_is_clear() {}
        // SAFETY: any byte may be sent.
        self.uart.dr().write(|w| unsafe { w.bits(u16::from(byte)) });
    }

    fn ticks(&mut self) -> u32 {
        self.ticks.now()
    }

    fn ticks_hz(&self) -> u32 {
        self.hz
    }

    fn lamp(&mut self, on: bool) {
        if on {
            self.lamp.bsrr().write(|w| w.bs9().set_bit());
        } else {
            self.lamp.bsrr().write(|w| w.br9().set_bit());
        }
    }
}
