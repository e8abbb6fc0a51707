//! What an exception does: the core stops. The table of handlers that `riscv-rt` brings for each kind of
//! exception takes a hundred bytes of flash, and every one of them would be this.

use riscv_rt::TrapFrame;

/// `riscv-rt` calls it, which is told by `custom-exceptions`.
// SAFETY: the name is reserved for this function.
#[unsafe(no_mangle)]
extern "C" fn _dispatch_exception(_: &TrapFrame, _: usize) {
    loop {
        core::hint::spin_loop();
    }
}
