//! The processor clock, counted by SysTick.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::{SCB, SYST, syst::SystClkSource};
use cortex_m_rt::exception;

/// SysTick's own counter has 24 bits; this counts its rounds.
static ROUNDS: AtomicU32 = AtomicU32::new(0);
const RELOAD: u32 = 0x00ff_ffff;

/// A 32-bit counter of processor cycles.
pub struct Ticks(SYST);

impl Ticks {
    /// Starts SysTick. Its interrupt costs some twenty cycles every 2^24.
    pub fn start(mut syst: SYST) -> Self {
        syst.set_clock_source(SystClkSource::Core);
        syst.set_reload(RELOAD);
        syst.clear_current();
        syst.enable_interrupt();
        syst.enable_counter();
        Self(syst)
    }

    /// The cycles so far, modulo 2^32.
    pub fn now(&mut self) -> u32 {
        loop {
            let rounds = ROUNDS.load(Ordering::Relaxed);
            let down = SYST::get_current();
            // A round that ended between the two readings, or whose interrupt is still to come, makes
            // them a pair that never was.
            if rounds == ROUNDS.load(Ordering::Relaxed) && !SCB::is_pendst_pending() {
                return (rounds << 24).wrapping_add(RELOAD - down);
            }
        }
    }
}

#[exception]
fn SysTick() {
    // Only this handler writes, so a load and a store are enough; Cortex-M0 has no atomic add.
    ROUNDS.store(ROUNDS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}
