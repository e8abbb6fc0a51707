//! ST Nucleo-F411RE: STM32F411, a Cortex-M4F at 100 MHz.
//!
//! Serial port: USART2, which the USB connector carries (PA2 out, PA3 in), 115200 baud, 8N1. Lamp: the
//! green LED LD2 (PA5). Counter: SysTick, at the processor's clock.

#![no_std]

use inkling_app::{Board, Ticks};
use panic_halt as _;
use stm32f4::stm32f411::{CorePeripherals, FLASH, GPIOA, PWR, Peripherals, RCC, USART2};

pub use cortex_m_rt::entry;

const BAUD: u32 = 115_200;
const HSI_HZ: u32 = 16_000_000;
const PLL_HZ: u32 = 100_000_000;

/// The board, set up.
pub struct Hardware {
    lamp: GPIOA,
    ticks: Ticks,
    hz: u32,
    uart: USART2,
}

impl Hardware {
    /// Starts the clock, the counter and the serial port. Call it once, at the start of `main`.
    #[allow(clippy::new_without_default, reason = "it takes the hardware over")]
    pub fn new() -> Self {
        // SAFETY: nobody else holds the peripherals, as this runs once and nothing else steals them.
        let (core, device) = unsafe { (CorePeripherals::steal(), Peripherals::steal()) };
        let Peripherals { FLASH, GPIOA, PWR, RCC, USART2, .. } = device;

        let (hz, uart_hz) = match start_pll(&RCC, &PWR, &FLASH) {
            true => (PLL_HZ, PLL_HZ / 2),
            false => (HSI_HZ, HSI_HZ),
        };

        RCC.ahb1enr().modify(|_, w| w.gpioaen().enabled());
        RCC.apb1enr().modify(|_, w| w.usart2en().enabled());
        GPIOA.afrl().modify(|_, w| w.afrl2().af7().afrl3().af7());
        GPIOA.moder().modify(|_, w| w.moder2().alternate().moder3().alternate().moder5().output());

        // SAFETY: the register takes the divisor in sixteenths, as 12.4 bits; this is below 4096.
        USART2.brr().write(|w| unsafe { w.bits(((uart_hz + BAUD / 2) / BAUD) as u16) });
        USART2.cr1().write(|w| w.ue().enabled().te().enabled().re().enabled());

        Self { lamp: GPIOA, ticks: Ticks::start(core.SYST), hz, uart: USART2 }
    }
}

/// Runs the processor from the PLL, which multiplies the internal oscillator: that needs no crystal,
/// and its 1 % is close enough for the serial port. `false`, and the plain internal oscillator, if the
/// PLL does not settle.
fn start_pll(rcc: &RCC, pwr: &PWR, flash: &FLASH) -> bool {
    // The core's voltage for the full speed; the chip starts with less.
    rcc.apb1enr().modify(|_, w| w.pwren().enabled());
    // SAFETY: 0b11 is scale 1.
    pwr.cr().modify(|_, w| unsafe { w.vos().bits(0b11) });
    // 16 MHz / 16 * 200 / 2 = 100 MHz, and / 5 = 40 MHz, below the USB clock's limit.
    // SAFETY: the factors are within the ranges of the reference manual.
    rcc.pllcfgr().write(|w| unsafe {
        w.pllsrc().hsi().pllm().bits(16).plln().bits(200).pllp().div2().pllq().bits(5)
    });
    rcc.cr().modify(|_, w| w.pllon().on());
    // The data sheet says 300 us at most; this is some milliseconds.
    if !(0..10_000).any(|_| rcc.cr().read().pllrdy().is_ready()) {
        return false;
    }
    flash.acr().write(|w| w.latency().ws3().prften().enabled().icen().enabled().dcen().enabled());
    rcc.cfgr().modify(|_, w| w.hpre().div1().ppre1().div2().ppre2().div1().sw().pll());
    true
}

impl Board for Hardware {
    const NAME: &'static str = "ST Nucleo-F411RE";

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
            self.lamp.bsrr().write(|w| w.bs5().set_bit());
        } else {
            self.lamp.bsrr().write(|w| w.br5().set_bit());
        }
    }
}
