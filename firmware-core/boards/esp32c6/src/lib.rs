//! ESP32-C6-DevKitC-1: ESP32-C6, an RV32IMAC core at 160 MHz.
//!
//! Serial port: UART0, which the connector marked UART carries (GPIO 16 out, GPIO 17 in), 115200 baud, 8N1.
//! Lamp: GPIO 18, for an LED of your own; the one on the board is not a plain LED.
//! Counter: the core's own performance counter, at the processor's clock.
//!
//! The registers are those of the vendor's `esp32c6`, the start-up is `riscv-rt`, as on the ESP32-C3.

#![no_std]

#[path = "../../esp32c3/src/descriptor.rs"]
mod descriptor;
#[path = "../../esp32c3/src/exceptions.rs"]
mod exceptions;

use inkling_app::Board;
use pac::{GPIO, IO_MUX, LP_WDT, PCR, TIMG0, UART0};

use panic_halt as _;
pub use riscv_rt::entry;

const BAUD: u32 = 115_200;
const CRYSTAL_HZ: u32 = 40_000_000;
const CPU_HZ: u32 = 160_000_000;
const RX: usize = 17;
const TX: usize = 16;
const LAMP: usize = 18;
/// The bytes that the serial port's transmitter holds.
const TX_FIFO: u8 = 128;

/// The board, set up.
pub struct Hardware {
    gpio: GPIO,
    uart: UART0,
}

impl Hardware {
    /// Stops the watchdogs and starts the clock, the counter and the serial port. Call it once, at the
    /// start of `main`.
    #[allow(clippy::new_without_default, reason = "it takes the hardware over")]
    pub fn new() -> Self {
        // SAFETY: nobody else holds the peripherals, as this runs once and nothing else steals them.
        let (gpio, mux, uart) = unsafe { (GPIO::steal(), IO_MUX::steal(), UART0::steal()) };
        // SAFETY: as above.
        let (watchdog, clocks, timer) = unsafe { (LP_WDT::steal(), PCR::steal(), TIMG0::steal()) };
        stop_watchdogs(&watchdog, &timer);
        start_clock(&clocks);
        start_counter();
        start_lamp(&gpio, &mux);
        start_uart(&uart, &clocks, &mux);
        Self { gpio, uart }
    }
}

/// The boot loader starts a watchdog that resets the chip after some seconds; the chip starts others.
fn stop_watchdogs(watchdog: &LP_WDT, timer: &TIMG0) {
    /// This unlocks a watchdog's registers; any other value locks them.
    const KEY: u32 = 0x50d8_3aa1;
    // SAFETY (here and below): any value that the register's documentation lists may be written.
    watchdog.wdtwprotect().write(|w| unsafe { w.bits(KEY) });
    watchdog.wdtconfig0().write(|w| unsafe { w.bits(0) });
    watchdog.wdtwprotect().write(|w| unsafe { w.bits(0) });

    watchdog.swd_wprotect().write(|w| unsafe { w.bits(KEY) });
    watchdog.swd_conf().modify(|_, w| w.swd_auto_feed_en().set_bit());
    watchdog.swd_wprotect().write(|w| unsafe { w.bits(0) });

    timer.wdtwprotect().write(|w| unsafe { w.bits(KEY) });
    timer.wdtconfig0().modify(|_, w| {
        w.wdt_en().clear_bit().wdt_flashboot_mod_en().clear_bit().wdt_conf_update_en().set_bit()
    });
    timer.wdtwprotect().write(|w| unsafe { w.bits(0) });
}

/// The boot loader runs the core from the PLL's 160 MHz, divided to 80 MHz; this is its full speed.
fn start_clock(clocks: &PCR) {
    clocks
        .cpu_freq_conf()
        .modify(|_, w| unsafe { w.cpu_hs_div_num().bits(0).cpu_hs_120m_force().clear_bit() });
    clocks.sysclk_conf().modify(|_, w| unsafe { w.soc_clk_sel().bits(1) });
}

/// The core's performance counter, which it has in the place of `mcycle`. Nothing but these three
/// registers; the vendor's crate with the registers leaves the core's own out.
mod counter {
    /// Which events are counted.
    pub mod events {
        riscv::write_csr_as_usize!(safe 0x7e0);
        pub const CYCLES: usize = 1;
    }

    /// Whether anything is counted.
    pub mod mode {
        riscv::write_csr_as_usize!(safe 0x7e1);
        pub const RUN: usize = 1;
    }

    /// How many there were.
    pub mod count {
        riscv::read_csr_as_usize!(0x7e2);
    }
}

fn start_counter() {
    counter::events::write(counter::events::CYCLES);
    counter::mode::write(counter::mode::RUN);
}

fn start_lamp(gpio: &GPIO, mux: &IO_MUX) {
    /// The value in the place of a peripheral's output that stands for the register of plain outputs.
    const PLAIN: u8 = 128;
    /// The pin's function that leaves it to the GPIO matrix.
    const MATRIX: u8 = 1;
    mux.gpio(LAMP).modify(|_, w| unsafe { w.mcu_sel().bits(MATRIX) });
    gpio.func_out_sel_cfg(LAMP).write(|w| unsafe { w.out_sel().bits(PLAIN) });
    gpio.out_w1tc().write(|w| unsafe { w.bits(1 << LAMP) });
    gpio.enable_w1ts().write(|w| unsafe { w.bits(1 << LAMP) });
}

fn start_uart(uart: &UART0, clocks: &PCR, mux: &IO_MUX) {
    /// The function of these two pins that makes them the serial port's.
    const UART: u8 = 0;
    /// The crystal as the serial port's clock.
    const CRYSTAL: u8 = 3;
    /// The divisor in sixteenths.
    const DIVISOR: u32 = (16 * CRYSTAL_HZ + BAUD / 2) / BAUD;
    const EIGHT_BITS: u8 = 3;
    const ONE_STOP_BIT: u8 = 1;

    clocks.uart(0).conf().modify(|_, w| w.clk_en().set_bit().rst_en().clear_bit());

    // The last words of the boot loader are still on their way.
    while uart.status().read().txfifo_cnt().bits() > 0 {}
    while uart.fsm_status().read().st_utx_out().bits() != 0 {}

    clocks.uart(0).clk_conf().modify(|_, w| unsafe {
        w.sclk_div_num().bits(0).sclk_div_a().bits(0).sclk_div_b().bits(0);
        w.sclk_sel().bits(CRYSTAL).sclk_en().set_bit()
    });
    uart.clkdiv().write(|w| unsafe {
        w.clkdiv().bits((DIVISOR / 16) as u16).frag().bits((DIVISOR % 16) as u8)
    });
    uart.conf0().modify(|_, w| unsafe {
        w.parity_en().clear_bit().bit_num().bits(EIGHT_BITS).stop_bit_num().bits(ONE_STOP_BIT)
    });
    // What was received until now was not meant for this program.
    uart.conf0().modify(|_, w| w.rxfifo_rst().set_bit());
    uart.conf0().modify(|_, w| w.rxfifo_rst().clear_bit());
    // The registers belong to the processor's clock; this copies them to the serial port's.
    uart.reg_update().modify(|_, w| w.reg_update().set_bit());
    while uart.reg_update().read().reg_update().bit_is_set() {}

    mux.gpio(TX).modify(|_, w| unsafe { w.mcu_sel().bits(UART) });
    mux.gpio(RX)
        .modify(|_, w| unsafe { w.mcu_sel().bits(UART).fun_ie().set_bit().fun_wpu().set_bit() });
}

impl Board for Hardware {
    const NAME: &'static str = "ESP32-C6-DevKitC-1";

    fn read(&mut self) -> u8 {
        while self.uart.status().read().rxfifo_cnt().bits() == 0 {}
        self.uart.fifo().read().rxfifo_rd_byte().bits()
    }

    fn write(&mut self, byte: u8) {
        while self.uart.status().read().txfifo_cnt().bits() >= TX_FIFO {}
        // SAFETY: any byte may be sent.
        self.uart.fifo().write(|w| unsafe { w.rxfifo_rd_byte().bits(byte) });
    }

    fn ticks(&mut self) -> u32 {
        counter::count::read() as u32
    }

    fn ticks_hz(&self) -> u32 {
        CPU_HZ
    }

    fn lamp(&mut self, on: bool) {
        // SAFETY: any set of pins may be switched.
        if on {
            self.gpio.out_w1ts().write(|w| unsafe { w.bits(1 << LAMP) });
        } else {
            self.gpio.out_w1tc().write(|w| unsafe { w.bits(1 << LAMP) });
        }
    }
}
