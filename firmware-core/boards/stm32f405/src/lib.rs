//! Olimex STM32-H405: STM32F405, a Cortex-M4F at 168 MHz.
//!
//! Serial port: USART1 (PA9 out, PA10 in), 115200 baud, 8N1. Lamp: the status LED (PC12).
//! Counter: SysTick, at the processor's clock.

#![no_std]

use inkling_app::{Board, Ticks};
use stm32f4::stm32f405::{CorePeripherals, FLASH, GPIOC, Peripherals, RCC, USART1};

pub use cortex_m_rt::entry;
use panic_halt as _;

const BAUD: u32 = 115_200;
const HSI_HZ: u32 = 16_000_000;
const PLL_HZ: u32 = 168_000_000;

/// The board, set up.
pub struct Hardware {
    lamp: GPIOC,
    ticks: Ticks,
    ticks_hz: u32,
    uart: USART1,
}

impl Hardware {
    /// Starts the clock, the counter and the serial port. Call it once, at the start of `main`.
    #[allow(clippy::new_without_default, reason = "it takes the hardware over")]
    pub fn new() -> Self {
        // SAFETY: nobody else holds the peripherals, as this runs once and nothing else steals them.
        let (core, device) = unsafe { (CorePeripherals::steal(), Peripherals::steal()) };
        let Peripherals { FLASH, GPIOA, GPIOC, RCC, USART1, .. } = device;

        let (ticks_hz, uart_hz) = match start_pll(&RCC, &FLASH) {
            true => (PLL_HZ, PLL_HZ / 2),
            false => (HSI_HZ, HSI_HZ),
        };

        RCC.ahb1enr().modify(|_, w| w.gpioaen().enabled().gpiocen().enabled());
        RCC.apb2enr().modify(|_, w| w.usart1en().enabled());
        GPIOA.afrh().modify(|_, w| w.afrh9().af7().afrh10().af7());
        GPIOA.moder().modify(|_, w| w.moder9().alternate().moder10().alternate());
        // The LED hangs on the supply: a high pin keeps it dark.
        GPIOC.bsrr().write(|w| w.bs12().set_bit());
        GPIOC.moder().modify(|_, w| w.moder12().output());

        // SAFETY: the register takes the divisor in sixteenths, as 12.4 bits; this is below 4096.
        USART1.brr().write(|w| unsafe { w.bits(((uart_hz + BAUD / 2) / BAUD) as u16) });
        USART1.cr1().write(|w| w.ue().enabled().te().enabled().re().enabled());

        Self { lamp: GPIOC, ticks: Ticks::start(core.SYST), ticks_hz, uart: USART1 }
    }
}

/// Runs the processor from the PLL, which multiplies the internal oscillator: that needs no crystal,
/// and its 1 % is close enough for the serial port. `false`, and the plain internal oscillator, if the
/// PLL does not settle; an emulator may have none.
fn start_pll(rcc: &RCC, flash: &FLASH) -> bool {
    // 16 MHz / 16 * 336 / 2 = 168 MHz, and / 7 = 48 MHz for the USB clock's limit.
    // SAFETY: the factors are within the ranges of the reference manual.
    rcc.pllcfgr().write(|w| unsafe {
        w.pllsrc().hsi().pllm().bits(16).plln().bits(336).pllp().div2().pllq().bits(7)
    });
    rcc.cr().modify(|_, w| w.pllon().on());
    // The data sheet says 300 us at most; this is some milliseconds.
    if !(0..10_000).any(|_| rcc.cr().read().pllrdy().is_ready()) {
        return false;
    }
    flash.acr().write(|w| w.latency().ws5().prften().enabled().icen().enabled().dcen().enabled());
    rcc.cfgr().modify(|_, w| w.hpre().div1().ppre1().div4().ppre2().div2().sw().pll());
    true
}

impl Board for Hardware {
    const NAME: &'static str = "Olimex STM32-H405";

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
        self.ticks_hz
    }

    fn lamp(&mut self, on: bool) {
        if on {
            self.lamp.bsrr().write(|w| w.br12().set_bit());
        } else {
            self.lamp.bsrr().write(|w| w.bs12().set_bit());
        }
    }
}
