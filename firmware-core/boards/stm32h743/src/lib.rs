//! ST Nucleo-H743ZI: STM32H743, a Cortex-M7 at 400 MHz.
//!
//! Serial port: USART3, which the USB connector carries (PD8 out, PD9 in), 115200 baud, 8N1. Lamp: the
//! green LED LD1 (PB0). Counter: SysTick, at the processor's clock.

#![no_std]

use inkling_app::{Board, Ticks};
use panic_halt as _;
use stm32h7::stm32h743::{CorePeripherals, FLASH, GPIOB, PWR, Peripherals, RCC, USART3};

pub use cortex_m_rt::entry;

const BAUD: u32 = 115_200;
const HSI_HZ: u32 = 64_000_000;
const PLL_HZ: u32 = 400_000_000;

/// The board, set up.
pub struct Hardware {
    lamp: GPIOB,
    ticks: Ticks,
    hz: u32,
    uart: USART3,
}

impl Hardware {
    /// Starts the clock, the caches, the counter and the serial port. Call it once, at the start of `main`.
    #[allow(clippy::new_without_default, reason = "it takes the hardware over")]
    pub fn new() -> Self {
        // SAFETY: nobody else holds the peripherals, as this runs once and nothing else steals them.
        let (mut core, device) = unsafe { (CorePeripherals::steal(), Peripherals::steal()) };
        let Peripherals { FLASH, GPIOB, GPIOD, PWR, RCC, USART3, .. } = device;

        let hz = if start_pll(&RCC, &PWR, &FLASH) { PLL_HZ } else { HSI_HZ };
        // Flash has wait states. What is written lies in memory that is not cached.
        core.SCB.enable_icache();
        core.SCB.enable_dcache(&mut core.CPUID);

        RCC.ahb4enr().modify(|_, w| w.gpioben().enabled().gpioden().enabled());
        RCC.apb1lenr().modify(|_, w| w.usart3en().enabled());
        GPIOD.afrh().modify(|_, w| w.afr8().af7().afr9().af7());
        GPIOD.moder().modify(|_, w| w.moder8().alternate().moder9().alternate());
        GPIOB.moder().modify(|_, w| w.moder0().output());

        // The internal oscillator, whatever the processor runs from.
        RCC.d2ccip2r().modify(|_, w| w.usart234578sel().hsi_ker());
        USART3.brr().write(|w| w.brr().set(((HSI_HZ + BAUD / 2) / BAUD) as u16));
        USART3.cr1().write(|w| w.ue().enabled().te().enabled().re().enabled());

        Self { lamp: GPIOB, ticks: Ticks::start(core.SYST), hz, uart: USART3 }
    }
}

/// Runs the processor from the PLL, which multiplies the internal oscillator: that needs no crystal.
/// `false`, and the plain internal oscillator, if the voltage or the PLL does not settle.
fn start_pll(rcc: &RCC, pwr: &PWR, flash: &FLASH) -> bool {
    // The data sheet says some hundred microseconds at most for each; this is some milliseconds.
    const PATIENCE: u32 = 10_000;
    // The board feeds the core by the chip's own regulator; the voltage waits until that is said.
    pwr.cr3().modify(|_, w| w.scuen().clear_bit().ldoen().set_bit().bypass().clear_bit());
    if !(0..PATIENCE).any(|_| pwr.csr1().read().actvosrdy().bit_is_set()) {
        return false;
    }
    // SAFETY: 0b11 is scale 1, for 400 MHz.
    pwr.d3cr().modify(|_, w| unsafe { w.vos().bits(0b11) });
    if !(0..PATIENCE).any(|_| pwr.d3cr().read().vosrdy().bit_is_set()) {
        return false;
    }
    // 64 MHz / 16 * 200 / 2 = 400 MHz; the register holds the factor less one.
    rcc.pllckselr().modify(|_, w| w.pllsrc().hsi().divm1().set(16));
    rcc.pllcfgr().modify(|_, w| w.pll1vcosel().wide_vco().pll1rge().range4().divp1en().enabled());
    // SAFETY: within the range of the reference manual.
    rcc.pll1divr().modify(|_, w| unsafe { w.divn1().bits(200 - 1).divp1().div2() });
    rcc.cr().modify(|_, w| w.pll1on().on());
    if !(0..PATIENCE).any(|_| rcc.cr().read().pll1rdy().is_ready()) {
        return false;
    }
    // Memory and flash at half the speed, peripherals at a quarter.
    rcc.d1cfgr().modify(|_, w| w.d1cpre().div1().hpre().div2().d1ppre().div2());
    rcc.d2cfgr().modify(|_, w| w.d2ppre1().div2().d2ppre2().div2());
    rcc.d3cfgr().modify(|_, w| w.d3ppre().div2());
    // SAFETY: two wait states are right for 200 MHz at this voltage.
    flash.acr().modify(|_, w| unsafe { w.latency().bits(2).wrhighfreq().bits(2) });
    rcc.cfgr().modify(|_, w| w.sw().pll1());
    true
}

impl Board for Hardware {
    const NAME: &'static str = "ST Nucleo-H743ZI";

    fn read(&mut self) -> u8 {
        while self.uart.isr().read().rxne().bit_is_clear() {}
        self.uart.rdr().read().rdr().bits() as u8
    }

    fn write(&mut self, byte: u8) {
        while self.uart.isr().read().txe().bit_is_clear() {}
        self.uart.tdr().write(|w| w.tdr().set(u16::from(byte)));
    }

    fn ticks(&mut self) -> u32 {
        self.ticks.now()
    }

    fn ticks_hz(&self) -> u32 {
        self.hz
    }

    fn lamp(&mut self, on: bool) {
        if on {
            self.lamp.bsrr().write(|w| w.bs0().set_bit());
        } else {
            self.lamp.bsrr().write(|w| w.br0().set_bit());
        }
    }
}
