//! Raspberry Pi Pico 2: RP2350, here its Cortex-M33 with DSP at 150 MHz.
//!
//! Serial port: UART0 (GP0 out, GP1 in), 115200 baud, 8N1. Lamp: the LED on the board (GP25).
//! Counter: SysTick, at the processor's clock.

#![no_std]

use cortex_m::Peripherals as Core;
use inkling_app::{Board, Ticks};
use rp235x_hal::block::ImageDef;
use rp235x_hal::clocks::init_clocks_and_plls;
use rp235x_hal::gpio::bank0::{Gpio0, Gpio1, Gpio25};
use rp235x_hal::gpio::{FunctionSioOutput, FunctionUart, Pin, Pins, PullDown, PullNone};
use rp235x_hal::pac::{Peripherals, UART0};
use rp235x_hal::uart::{Enabled, UartConfig, UartPeripheral};
use rp235x_hal::{Clock, Sio, Watchdog};

use panic_halt as _;
pub use rp235x_hal::entry;

const CRYSTAL_HZ: u32 = 12_000_000;

type Wires = (Pin<Gpio0, FunctionUart, PullNone>, Pin<Gpio1, FunctionUart, PullNone>);

/// What the boot ROM looks for: this is a program for the secure state of the Arm cores.
#[used]
#[unsafe(link_section = ".start_block")]
static IMAGE: ImageDef = ImageDef::secure_exe();

/// The board, set up.
pub struct Hardware {
    lamp: Pin<Gpio25, FunctionSioOutput, PullDown>,
    ticks: Ticks,
    hz: u32,
    uart: UartPeripheral<Enabled, UART0, Wires>,
}

impl Hardware {
    /// Starts the clocks, the counter and the serial port. Call it once, at the start of `main`.
    ///
    /// # Panics
    ///
    /// When the hardware refuses its own settings, such as a crystal that does not start.
    #[allow(clippy::new_without_default, reason = "it takes the hardware over")]
    pub fn new() -> Self {
        // SAFETY: nobody else holds the peripherals, as this runs once and nothing else steals them.
        let (core, device) = unsafe { (Core::steal(), Peripherals::steal()) };
        let mut resets = device.RESETS;
        let mut watchdog = Watchdog::new(device.WATCHDOG);
        let clocks = init_clocks_and_plls(
            CRYSTAL_HZ,
            device.XOSC,
            device.CLOCKS,
            device.PLL_SYS,
            device.PLL_USB,
            &mut resets,
            &mut watchdog,
        );
        let Ok(clocks) = clocks else { panic!("the clocks do not start") };
        let sio = Sio::new(device.SIO);
        let pins = Pins::new(device.IO_BANK0, device.PADS_BANK0, sio.gpio_bank0, &mut resets);
        let wires = (pins.gpio0.reconfigure(), pins.gpio1.reconfigure());
        // The default is 115200 baud, 8N1.
        let uart = UartPeripheral::new(device.UART0, wires, &mut resets);
        let uart = uart.enable(UartConfig::default(), clocks.peripheral_clock.freq());
        let Ok(uart) = uart else { panic!("the baud rate cannot be reached") };
        let hz = clocks.system_clock.freq().to_Hz();
        Self { lamp: pins.gpio25.reconfigure(), ticks: Ticks::start(core.SYST), hz, uart }
    }
}

impl Board for Hardware {
    const NAME: &'static str = "Raspberry Pi Pico 2";

    fn read(&mut self) -> u8 {
        let mut byte = [0];
        // A byte with a wrong stop bit is lost; the protocol notices.
        while !matches!(self.uart.read_raw(&mut byte), Ok(1)) {}
        byte[0]
    }

    fn write(&mut self, byte: u8) {
        while self.uart.write_raw(&[byte]).is_err() {}
    }

    fn ticks(&mut self) -> u32 {
        self.ticks.now()
    }

    fn ticks_hz(&self) -> u32 {
        self.hz
    }

    fn lamp(&mut self, on: bool) {
        use embedded_hal::digital::OutputPin;
        let Ok(()) = if on { self.lamp.set_high() } else { self.lamp.set_low() };
    }
}
