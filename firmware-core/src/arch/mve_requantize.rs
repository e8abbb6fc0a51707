//! Requantization of four accumulators at a time, exactly as one at a time.

use bytemuck::TransparentWrapper;

use crate::{Activation, Multiplier, Requantize, Shift};

/// [`Shift::apply`] of each accumulator, kept between two bounds and saturated. There is a shift for
/// each, or one for all.
pub(super) fn divide<Y: Activation>(
    shifts: &[Shift],
    [low, high]: [i32; 2],
    accumulators: &[i32],
    y: &mut [Y],
) {
    let shifts = Shift::peel_slice(shifts);
    let mut count = accumulators.len().min(y.len());
    if shifts.len() != 1 {
        count = count.min(shifts.len());
    }
    if count == 0 {
        return;
    }
    let job = DivideJob {
        shifts: shifts.as_ptr(),
        accumulators: accumulators.as_ptr(),
        y: y.as_mut_ptr().cast(),
        count,
        low: Y::saturate(low).to_i32(),
        high: Y::saturate(high).to_i32(),
    };
    // SAFETY: the routines read `count` accumulators and as many shifts, or one, and write as many
    // bytes. That they are there and at least one was just checked. They keep to the procedure call
    // standard.
    unsafe {
        if shifts.len() == 1 {
            divide_alike(&job);
        } else {
            divide_each(&job);
        }
    }
}

/// [`Multiplier::apply`] of each accumulator, saturated. There is a multiplier for each, or one for all.
pub(super) fn multiply<Y: Activation>(
    multipliers: &[Multiplier],
    accumulators: &[i32],
    y: &mut [Y],
) {
    let mut count = accumulators.len().min(y.len());
    if let ([all], 1..) = (multipliers, count) {
        let bounds = [all.low, all.high].map(|bound| Y::saturate(bound.into()).to_i32());
        let exponent = i32::from(all.exponent);
        let job = MultiplyJob {
            accumulators: accumulators.as_ptr(),
            y: y.as_mut_ptr().cast(),
            count,
            bounds,
            multiplier: all.multiplier,
            shifts: [exponent.max(0), exponent.min(0)],
            zero: all.zero.into(),
        };
        // SAFETY: the routine reads `count` accumulators and writes as many bytes, of which there is at
        // least one. It keeps to the procedure call standard.
        return unsafe { multiply_alike(&job) };
    }
    count = count.min(multipliers.len());
    // Four at a time are loaded; what is left over is computed one by one.
    let whole = if Y::UNSIGNED { 0 } else { count / 4 * 4 };
    if whole > 0 {
        let (accumulators, y) = (accumulators.as_ptr(), y.as_mut_ptr().cast());
        // SAFETY: the routine reads `whole` multipliers and accumulators, and writes as many bytes. It
        // keeps to the procedure call standard.
        unsafe { multiply_each(multipliers.as_ptr(), accumulators, y, whole / 4) }
    }
    for at in whole..count {
        let one = (multipliers.get(at), accumulators.get(at), y.get_mut(at));
        if let (Some(multiplier), Some(sum), Some(y)) = one {
            *y = Y::saturate(multiplier.apply(*sum));
        }
    }
}

/// What the routine for one multiplier loads.
#[repr(C)]
struct MultiplyJob {
    accumulators: *const i32,
    y: *mut u8,
    count: usize,
    bounds: [i32; 2],
    multiplier: i32,
    /// Bits to the left before the multiplication, and behind it, where they are negative.
    shifts: [i32; 2],
    zero: i32,
}

/// What the routines of [`divide`] load.
#[repr(C)]
struct DivideJob {
    shifts: *const u8,
    accumulators: *const i32,
    y: *mut u8,
    count: usize,
    low: i32,
    high: i32,
}

unsafe extern "C" {
    #[link_name = symbol!("mve_divide_each")]
    fn divide_each(job: *const DivideJob);
    #[link_name = symbol!("mve_divide_alike")]
    fn divide_alike(job: *const DivideJob);
    #[link_name = symbol!("mve_multiply_alike")]
    fn multiply_alike(job: *const MultiplyJob);
    #[link_name = symbol!("mve_multiply_each")]
    fn multiply_each(
        multipliers: *const Multiplier,
        accumulators: *const i32,
        y: *mut u8,
        fours: usize,
    );
}

// The instruction VRSHL shifts right and rounds halves up. Halves go to the even neighbour if one is
// taken away first from what has an even quotient. With a shift by nothing it is not.
//
// r0 shifts, r1 accumulators, r2 outputs, r3 their number, r4 and r5 bounds, q0 values, q1 the shifts, which are negative, q2
// what is taken away, q3 ones, q4 quotients, q5 and q6 the bounds.
macro_rules! divide {
    ($name:expr, { $($once:literal,)* }, { $($each:literal,)* }) => {
        routine!(
            $name,
            "push {{r4-r6, lr}}",
            "vpush {{d8-d13}}",
            "ldm r0, {{r0-r5}}",
            "vdup.32 q5, r4",
            "vdup.32 q6, r5",
            "vmov.i32 q3, #1",
            $($once,)*
            "dlstp.32 lr, r3",
            "2:",
            $($each,)*
            "vldrw.u32 q0, [r1], #16",
            "vshl.s32 q4, q0, q1",
            "vbic q4, q2, q4",
            "vqsub.s32 q0, q0, q4",
            "vrshl.s32 q0, q0, q1",
            "vmax.s32 q0, q0, q5",
            "vmin.s32 q0, q0, q6",
            "vstrb.32 q0, [r2], #4",
            "letp lr, 2b",
            "vpop {{d8-d13}}",
            "pop {{r4-r6, pc}}",
        );
    };
}

divide!(
    symbol!("mve_divide_each"),
    {},
    {
    "vldrb.u32 q1, [r0], #4",
    "vmin.u32 q2, q1, q3",
    "vneg.s32 q1, q1",
    }
);
divide!(
    symbol!("mve_divide_alike"),
    {
    "ldrb r0, [r0]",
    "vdup.32 q1, r0",
    "vmin.u32 q2, q1, q3",
    "vneg.s32 q1, q1",
    },
    {}
);

// VQRDMULH is the multiplication with its first rounding, halves up. The second takes halves away from
// zero: one is taken from what is negative before VRSHL rounds it up. A `Multiplier` is two words, of
// which VLD2 brings the first of four into q1 and the second into q2: exponent, zero point and bounds.
routine!(
    symbol!("mve_multiply_each"),
    "push {{r4, lr}}",
    "vpush {{d8-d11}}",
    "vmov.i32 q5, #0",
    "dls lr, r3",
    "2:",
    "vld20.32 {{q1, q2}}, [r0]",
    "vld21.32 {{q1, q2}}, [r0]!",
    "vldrw.u32 q0, [r1], #16",
    "vmovlb.s8 q3, q2",
    "vmovlb.s16 q3, q3", // exponents
    "vmax.s32 q4, q5, q3",
    "vshl.s32 q0, q0, q4",
    "vqrdmulh.s32 q0, q0, q1",
    "vmin.s32 q3, q5, q3",
    "vand q1, q0, q3",
    "vshr.s32 q1, q1, #31",
    "vqadd.s32 q0, q0, q1",
    "vrshl.s32 q0, q0, q3",
    "vshl.i32 q1, q2, #16",
    "vshr.s32 q1, q1, #24",
    "vqadd.s32 q0, q0, q1", // the zero point
    "vshl.i32 q1, q2, #8",
    "vshr.s32 q1, q1, #24",
    "vmax.s32 q0, q0, q1",
    "vshr.s32 q2, q2, #24",
    "vmin.s32 q0, q0, q2",
    "vstrb.32 q0, [r2], #4",
    "le lr, 2b",
    "vpop {{d8-d11}}",
    "pop {{r4, pc}}",
);

// r0 accumulators, r1 outputs, r2 their number, r5 multiplier, r6 and r7 shifts, r8 zero point, q2 and q3
// bounds, q4 the second shift.
routine!(
    symbol!("mve_multiply_alike"),
    "push {{r4-r8, lr}}",
    "vpush {{d8-d9}}",
    "ldm r0, {{r0-r8}}",
    "vdup.32 q2, r3",
    "vdup.32 q3, r4",
    "vdup.32 q4, r7",
    "dlstp.32 lr, r2",
    "2:",
    "vldrw.u32 q0, [r0], #16",
    "vshl.s32 q0, r6",
    "vqrdmulh.s32 q0, q0, r5",
    "vand q1, q0, q4",
    "vshr.s32 q1, q1, #31",
    "vqadd.s32 q0, q0, q1",
    "vrshl.s32 q0, r7",
    "vqadd.s32 q0, q0, r8",
    "vmax.s32 q0, q0, q2",
    "vmin.s32 q0, q0, q3",
    "vstrb.32 q0, [r1], #4",
    "letp lr, 2b",
    "vpop {{d8-d9}}",
    "pop {{r4-r8, pc}}",
);
