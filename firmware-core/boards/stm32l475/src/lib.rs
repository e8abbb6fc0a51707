//! B-L475E-IOT01A: STM32L475, a Cortex-M4F at 80 MHz.
//!
//! Serial port: USART1, which the USB connector carries (PB6 out, PB7 in), 115200 baud, 8N1. Lamp: the
//! green LED LD2 (PB14). Counter: SysTick, at the processor's clock.

#![no_std]

use inkling_app::{Board, Ticks};
use panic_halt as _;
use stm32l4::stm32l4x5::{CorePeripherals, FLASH, GPIOB, Peripherals, RCC, USART1};

pub use cortex_m_rt::entry;

const BAUD: u32 = 115_200;
const MSI_HZ: u32 = 4_000_000;
const PLL_HZ: u32 = 80_000_000;

/// The board, set up.
pub struct Hardware {
    lamp: GPIOB,
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
        let Peripherals { FLASH, GPIOB, RCC, USART1, .. } = device;

        let hz = if start_pll(&RCC, &FLASH) { PLL_HZ } else { MSI_HZ };

        RCC.ahb2enr().modify(|_, w| w.gpioben().set_bit());
        RCC.apb2enr().modify(|_, w| w.usart1en().enabled());
        GPIOB.afrl().modify(|_, w| w.afrl6().af7().afrl7().af7());
        GPIOB.moder().modify(|_, w| w.moder6().alternate().moder7().alternate().moder14().output());

        // SAFETY: the divisor of the processor's clock; this is below 4096.
        USART1.brr().write(|w| unsafe { w.bits((hz + BAUD / 2) / BAUD) });
        USART1.cr1().write(|w| w.ue().enabled().te().enabled().re().enabled());

        Self { lamp: GPIOB, ticks: Ticks::start(core.SYST), hz, uart: USART1 }
    }
}

/// Runs the processor from the PLL, which multiplies the internal oscillator: that needs no crystal,
/// and its 1 % is close enough for the serial port. `false`, and the oscillator that the chip starts
/// with, if the PLL does not settle; an emulator may have none.
fn start_pll(rcc: &RCC, flash: &FLASH) -> bool {
    // The data sheet says some microseconds for the one and 40 for the other; this is some milliseconds.
    const PATIENCE: u32 = 10_000;
    rcc.cr().modify(|_, w| w.hsion().set_bit());
    if !(0..PATIENCE).any(|_| rcc.cr().read().hsirdy().bit_is_set()) {
        return false;
    }
    // 16 MHz / 1 * 10 / 2 = 80 MHz.
    // SAFETY: the factors are within the ranges of the reference manual.
    rcc.pllcfgr().write(|w| unsafe {
        w.pllsrc().bits(0b10).pllm().bits(0).plln().bits(10).pllr().bits(0).pllren().set_bit()
    });
    rcc.cr().modify(|_, w| w.pllon().set_bit());
    if !(0..PATIENCE).any(|_| rcc.cr().read().pllrdy().bit_is_set()) {
        return false;
    }
    // SAFETY: four wait states are right for this clock.
    flash.acr().modify(|_, w| unsafe {
        w.latency().bits(4).prften().set_bit().icen().set_bit().dcen().set_bit()
    });
    // SAFETY: the PLL, which runs.
    rcc.cfgr().modify(|_, w| unsafe { w.sw().bits(0b11) });
    true
}

impl Board for Hardware {
    const NAME: &'static str = "B-L475E-IOT01A";

    fn read(&mut self) -> u8 {
        while self.uart.isr().read().rxne().bit_is_clear() {}
        self.uart.rdr().read().rdr().bits() as u8
    }

    fn write(&mut self, byte: u8) {
        while self.uart.isr().read().txe().bit_is_clear() {}
        // SAFETY: any byte may be sent.
        self.uart.tdr().write(|w| unsafe { w.tdr().bits(u16::from(byte)) });
    }

    fn ticks(&mut self) -> u32 {
        self.ticks.now()
    }

    fn ticks_hz(&self) -> u32 {
        self.hz
    }

    fn lamp(&mut self, on: bool) {
        if on {
            self.lamp.bsrr().write(|w| w.bs14().set_bit());
        } else {
            self.lamp.bsrr().write(|w| w.br14().set_bit());
        }
    }
}
