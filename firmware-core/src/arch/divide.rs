//! Armv7-M and later: division by a power of two in four instructions.

use core::arch::asm;

/// `value` divided by 2^`bits`, 0 to 31 of them, rounding half to even.
#[inline(always)]
pub(super) fn divide(value: i32, bits: u32) -> i32 {
    let mut quotient = value.wrapping_shr(bits);
    // The quotient's last bit on top and the remainder below it; behind the rotation the remainder
    // on top and that bit at the bottom. What is above 2^31 carries, and goes up.
    let low = (value as u32).wrapping_shl(31 - bits);
    // SAFETY: nothing but registers and flags.
    unsafe {
        asm!(
            "cmn {most}, {low}, ror #31",
            "adc {quotient}, {quotient}, #0",
            most = in(reg) i32::MAX,
            low = in(reg) low,
            quotient = inout(reg) quotient,
            options(pure, nomem, nostack),
        );
    }
    quotient
}
