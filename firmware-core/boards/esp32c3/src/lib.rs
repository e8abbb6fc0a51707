//! ESP32-C3-DevKitM-1: ESP32-C3, an RV32IMC core at 160 MHz.
//!
//! Serial port: UART0, which the USB connector carries (GPIO 21 out, GPIO 20 in), 115200 baud, 8N1.
//! Lamp: GPIO 3, for an LED of your own; the one on the board is not a plain LED.
//! Counter: the core's own performance counter, at the processor's clock.
//!
//! The registers are those of the vendor's `esp32c3`, the start-up is `riscv-rt`. The vendor's `esp-hal`
//! 1.1 builds with a stable compiler too, but what it adds does not fit here: with it the program of
//! nothing but the inference takes 42,000 bytes of flash, where it has 28,664 with this, and links the
//! panics of `esp-hal`'s own initialization.

#![no_std]

mod descriptor;
mod exceptions;

use inkling_app::Board;
use pac::{GPIO, IO_MUX, RTC_CNTL, SYSTEM, TIMG0, UART0};

use panic_halt as _;
pub use riscv_rt::entry;

const BAUD: u32 = 115_200;
const CRYSTAL_HZ: u32 = 40_000_000;
const CPU_HZ: u32 = 160_000_000;
const RX: usize = 20;
const TX: usize = 21;
const LAMP: usize = 3;
/// The bytes that the serial port's transmitter holds.
const TX_FIFO: u16 = 128;

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
        let (rtc, system, timer) = unsafe { (RTC_CNTL::steal(), SYSTEM::steal(), TIMG0::steal()) };
        stop_watchdogs(&rtc, &timer);
        start_clock(&system);
        start_counter();
        start_lamp(&gpio, &mux);
        start_uart(&uart, &system, &mux);
        Self { gpio, uart }
    }
}

/// The boot loader starts a watchdog that resets the chip after some seconds; the chip starts others.
fn stop_watchdogs(rtc: &RTC_CNTL, timer: &TIMG0) {
    /// These unlock a watchdog's registers; any other value locks them.
    const KEY: u32 = 0x50d8_3aa1;
    const SUPER_KEY: u32 = 0x8f1d_312a;
    // SAFETY (here and below): any value that the register's documentation lists may be written.
    rtc.wdtwprotect().write(|w| unsafe { w.bits(KEY) });
    rtc.wdtconfig0().write(|w| unsafe { w.bits(0) });
    rtc.wdtwprotect().write(|w| unsafe { w.bits(0) });

    rtc.swd_wprotect().write(|w| unsafe { w.bits(SUPER_KEY) });
    rtc.swd_conf().modify(|_, w| w.swd_auto_feed_en().set_bit());
    rtc.swd_wprotect().write(|w| unsafe { w.bits(0) });

    timer.wdtwprotect().write(|w| unsafe { w.bits(KEY) });
    timer.wdtconfig0().modify(|_, w| {
        w.wdt_en().clear_bit().wdt_flashboot_mod_en().clear_bit().wdt_conf_update_en().set_bit()
    });
    timer.wdtwprotect().write(|w| unsafe { w.bits(0) });
}

/// The boot loader runs the core from the PLL, divided to 80 MHz; this is its full speed.
fn start_clock(system: &SYSTEM) {
    system.cpu_per_conf().modify(|_, w| unsafe { w.cpuperiod_sel().bits(1) });
    system.sysclk_conf().modify(|_, w| unsafe { w.pre_div_cnt().bits(0).soc_clk_sel().bits(1) });
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

fn start_uart(uart: &UART0, system: &SYSTEM, mux: &IO_MUX) {
    /// The function of these two pins that makes them the serial port's.
    const UART: u8 = 0;
    /// The crystal as the serial port's clock.
    const CRYSTAL: u8 = 3;
    /// The divisor in sixteenths.
    const DIVISOR: u32 = (16 * CRYSTAL_HZ + BAUD / 2) / BAUD;
    const EIGHT_BITS: u8 = 3;
    const ONE_STOP_BIT: u8 = 1;

    system.perip_clk_en0().modify(|_, w| w.uart_clk_en().set_bit().uart_mem_clk_en().set_bit());
    system.perip_rst_en0().modify(|_, w| w.uart_rst().clear_bit().uart_mem_rst().clear_bit());

    // The last words of the boot loader are still on their way.
    while uart.status().read().txfifo_cnt().bits() > 0 {}
    while uart.fsm_status().read().st_utx_out().bits() != 0 {}

    uart.clk_conf().modify(|_, w| unsafe {
        w.sclk_sel().bits(CRYSTAL).sclk_div_num().bits(0).sclk_div_a().bits(0).sclk_div_b().bits(0)
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
    uart.id().modify(|_, w| w.reg_update().set_bit());
    while uart.id().read().reg_update().bit_is_set() {}

    mux.gpio(TX).modify(|_, w| unsafe { w.mcu_sel().bits(UART) });
    mux.gpio(RX)
        .modify(|_, w| unsafe { w.mcu_sel().bits(UART).fun_ie().set_bit().fun_wpu().set_bit() });
}

impl Board for Hardware {
    const NAME: &'static str = "ESP32-C3-DevKitM-1";

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
