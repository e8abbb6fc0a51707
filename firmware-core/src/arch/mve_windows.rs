//! What a window covers, side by side, and its products with the weights of all channels.

use core::marker::PhantomData;
use core::mem::MaybeUninit;

use crate::Activation;

/// Most taps of a window that are multiplied at once.
pub(super) const TAPS: usize = 640;

/// The difference between values without a sign and what they are multiplied as.
pub(super) const OFFSET: i32 = 128;

/// A part of a window: bytes with a sign, [`OFFSET`] less than values that have none.
pub(super) struct Patch<'a> {
    bytes: &'a mut MaybeUninit<[i8; TAPS]>,
    /// How many of them have a value.
    set: usize,
}

/// Rows of values that are copied into a patch.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    /// Where the first begins in the patch.
    pub to: usize,
    /// How many, and the values of each; neither is 0.
    pub rows: usize,
    pub len: usize,
    /// From one to the next in the input, and in the patch.
    pub pitch: usize,
    pub patch_pitch: usize,
}

impl<'a> Patch<'a> {
    /// A patch without taps.
    #[inline(always)]
    pub(super) const fn over(bytes: &'a mut MaybeUninit<[i8; TAPS]>) -> Self {
        Self { bytes, set: 0 }
    }

    /// Makes it as many zeros, [`TAPS`] at most.
    #[inline(always)]
    pub(super) fn clear(&mut self, taps: usize) {
        self.set = taps.min(TAPS);
        self.fill_with(taps, 0);
    }

    #[inline(always)]
    fn fill_with(&mut self, taps: usize, value: u8) {
        let taps = taps.min(self.set);
        if taps > 0 {
            // SAFETY: the routine writes `taps` bytes, of which there are as many. It keeps to the
            // procedure call standard.
            unsafe { fill(self.bytes.as_mut_ptr().cast(), value, taps) }
        }
    }

    /// Sets the first `taps` taps to `value`.
    #[inline(always)]
    pub(super) fn fill<X: Activation>(&mut self, taps: usize, value: i32) {
        self.fill_with(taps, (value - if X::UNSIGNED { OFFSET } else { 0 }) as u8);
    }

    /// The first `taps` taps, of those that have a value.
    #[inline(always)]
    pub(super) fn get(&self, taps: usize) -> &[i8] {
        // SAFETY: `clear` has set so many.
        unsafe { core::slice::from_raw_parts(self.bytes.as_ptr().cast(), taps.min(self.set)) }
    }

    /// Values as taps: themselves or a copy.
    #[inline(always)]
    pub(super) fn signed<'b, X: Activation>(&'b mut self, x: &'b [X]) -> &'b [i8] {
        if !X::UNSIGNED {
            return bytemuck::try_cast_slice(x).unwrap_or_default();
        }
        let len = x.len().min(TAPS);
        self.set = 0;
        if len > 0 {
            let job = CopyJob {
                from: x.as_ptr().cast(),
                to: self.bytes.as_mut_ptr().cast(),
                len,
                rows: 1,
                step: 0,
                patch_step: 0,
                flip: OFFSET,
                reach: len,
            };
            // SAFETY: the routine reads and writes `len` bytes, which both have. It keeps to the
            // procedure call standard.
            unsafe { copy(&job) }
            self.set = len;
        }
        self.get(len)
    }

    /// Copies rows of `x`.
    #[inline(always)]
    pub(super) fn copy<X: Activation>(&mut self, x: &[X], from: usize, rows: Rows) {
        if let Some(mut job) = CopyJob::new::<X>(self, rows) {
            job.copy(x, from);
        }
    }
}

/// In the order in which the routine loads it.
#[repr(C)]
struct CopyJob {
    from: *const u8,
    to: *mut i8,
    len: usize,
    rows: usize,
    /// From behind the last vector of a row to the next row.
    step: usize,
    patch_step: usize,
    /// What is subtracted, without a carry: the bit on top, or nothing.
    flip: i32,
    /// From the first value to behind the last.
    reach: usize,
}

impl CopyJob {
    /// A job that copies such rows from wherever it is told; `None` if the patch has no room for them.
    #[inline(always)]
    fn new<X: Activation>(patch: &mut Patch, rows: Rows) -> Option<Self> {
        let Rows { to, rows, len, pitch, patch_pitch } = rows;
        let before = rows.checked_sub(1)?;
        if len == 0 || to.wrapping_add(before * patch_pitch + len) > patch.set {
            return None;
        }
        let vectors = len.div_ceil(16) * 16;
        Some(Self {
            from: core::ptr::null(),
            to: patch.bytes.as_mut_ptr().cast::<i8>().wrapping_add(to),
            len,
            rows,
            step: pitch.wrapping_sub(vectors),
            patch_step: patch_pitch.wrapping_sub(vectors),
            flip: if X::UNSIGNED { OFFSET } else { 0 },
            reach: before * pitch + len,
        })
    }

    /// Copies the rows of `x` that begin at `from`, if they are all there.
    #[inline(always)]
    fn copy<X: Activation>(&mut self, x: &[X], from: usize) {
        if x.len().checked_sub(self.reach).is_some_and(|last| from <= last) {
            self.from = x.as_ptr().wrapping_add(from).cast();
            // SAFETY: the routine reads and writes `rows` rows of `len` bytes each. The last of them was
            // just seen to end in `x`, and by `new` in the patch. It keeps to the procedure call
            // standard.
            unsafe { copy(self) }
        }
    }
}

/// Windows that lie on the input, one after the other: their taps are copied and multiplied.
pub(super) struct Windows<'a> {
    copying: CopyJob,
    multiplying: Products<'a>,
}

impl<'a> Windows<'a> {
    /// Windows of which `patch` takes the rows; the weights of a channel are as many.
    #[inline(always)]
    pub(super) fn new<X: Activation>(
        patch: &'a mut Patch,
        rows: Rows,
        weights: &'a [i8],
        start: &'a [i32],
        sums: &'a mut [i32],
    ) -> Option<Self> {
        let taps = rows.rows * rows.len;
        let copying = CopyJob::new::<X>(patch, rows)?;
        let multiplying = Products::new(patch.get(taps), (weights, taps), Some(start), sums)?;
        Some(Self { copying, multiplying })
    }

    /// The sums of the window that begins at `from` in `x`.
    #[inline(always)]
    pub(super) fn sums<X: Activation>(&mut self, x: &[X], from: usize) -> &[i32] {
        self.copying.copy(x, from);
        self.multiplying.sums()
    }
}

/// Writes what the sums of `count` channels start with: their biases and what a [`Patch`] takes from
/// values. False if there are not so many.
#[inline(always)]
pub(super) fn start<X: Activation>(
    bias: &[i32],
    weight_sums: &[[i32; 1]],
    (start, count): (*mut i32, usize),
) -> bool {
    if count == 0 || bias.len() < count || weight_sums.len() < count {
        return false;
    }
    let factor = if X::UNSIGNED { OFFSET } else { 0 };
    // SAFETY: the routine reads `count` biases and sums, which were just seen to be there, and writes
    // as many words. It keeps to the procedure call standard.
    unsafe { start_of(bias.as_ptr(), weight_sums.as_ptr(), start, factor, count) }
    true
}

/// Adds the products of `taps` and each channel's weights, which begin `total` bytes behind those of the
/// channel before, to `sums`, or to `start` if it is given.
#[inline(always)]
pub(super) fn multiply(
    taps: &[i8],
    weights: (&[i8], usize),
    start: Option<&[i32]>,
    sums: &mut [i32],
) {
    if let Some(mut products) = Products::new(taps, weights, start, sums) {
        products.sums();
    }
}

/// [`multiply`] that can be done again with other taps in the same place.
pub(super) struct Products<'a> {
    four: MultiplyJob,
    /// What is left over of blocks of four channels.
    rest: MultiplyJob,
    sums: (*const i32, usize),
    lives: PhantomData<(&'a [i8], &'a mut [i32])>,
}

impl<'a> Products<'a> {
    #[inline(always)]
    pub(super) fn new(
        taps: &'a [i8],
        (weights, total): (&'a [i8], usize),
        start: Option<&'a [i32]>,
        sums: &'a mut [i32],
    ) -> Option<Self> {
        let last = sums.len().checked_sub(1)?;
        if taps.is_empty()
            || last * total + taps.len() > weights.len()
            || start.is_some_and(|start| start.len() < sums.len())
        {
            return None;
        }
        let blocks = sums.len() / 4 * 4;
        let end = sums.as_mut_ptr_range().end;
        let four = MultiplyJob {
            taps: taps.len(),
            x: taps.as_ptr(),
            end: sums.as_mut_ptr().wrapping_add(blocks),
            weights: weights.as_ptr(),
            excess: (taps.len().div_ceil(16) * 16).wrapping_sub(total),
            total,
            start: start.map_or(sums.as_ptr(), <[i32]>::as_ptr),
            sums: sums.as_mut_ptr(),
        };
        let rest = MultiplyJob {
            end,
            weights: four.weights.wrapping_add(blocks * total),
            start: four.start.wrapping_add(blocks),
            sums: four.end,
            ..four
        };
        Some(Self { four, rest, sums: (four.sums, sums.len()), lives: PhantomData })
    }

    /// Computes the sums.
    #[inline(always)]
    pub(super) fn sums(&mut self) -> &[i32] {
        let Self { four, rest, sums: (sums, count), .. } = self;
        // SAFETY: the routines read the taps, as many weights of each channel and where its sum starts,
        // which `new` has seen to be there, and then write its sum, of which there is at least one.
        // They keep to the procedure call standard.
        unsafe {
            if four.sums != four.end {
                multiply4(four);
            }
            if rest.sums != rest.end {
                multiply1(rest);
            }
            core::slice::from_raw_parts(*sums, *count)
        }
    }

    /// The sums with other taps, as many as before.
    #[inline(always)]
    pub(super) fn sums_of(&mut self, taps: &'a [i8]) -> &[i32] {
        if taps.len() != self.four.taps {
            return &[];
        }
        (self.four.x, self.rest.x) = (taps.as_ptr(), taps.as_ptr());
        self.sums()
    }
}

/// In the order in which the routines load it.
#[derive(Clone, Copy)]
#[repr(C)]
struct MultiplyJob {
    taps: usize,
    x: *const i8,
    end: *mut i32,
    weights: *const i8,
    /// From the weights of a block's next channel to behind the last vector of the one before.
    excess: usize,
    total: usize,
    start: *const i32,
    sums: *mut i32,
}

unsafe extern "C" {
    #[link_name = symbol!("mve_window_fill")]
    fn fill(bytes: *mut u8, value: u8, count: usize);
    #[link_name = symbol!("mve_window_start")]
    fn start_of(
        bias: *const i32,
        sums: *const [i32; 1],
        start: *mut i32,
        factor: i32,
        count: usize,
    );
    #[link_name = symbol!("mve_window_copy")]
    fn copy(job: *const CopyJob);
    #[link_name = symbol!("mve_window_multiply4")]
    fn multiply4(job: *const MultiplyJob);
    #[link_name = symbol!("mve_window_multiply1")]
    fn multiply1(job: *const MultiplyJob);
}

routine!(
    symbol!("mve_window_fill"),
    "push {{r4, lr}}",
    "vdup.8 q0, r1",
    "dlstp.8 lr, r2",
    "2:",
    "vstrb.8 q0, [r0], #16",
    "letp lr, 2b",
    "pop {{r4, pc}}",
);

routine!(
    symbol!("mve_window_start"),
    "push {{r4, lr}}",
    "ldr r12, [sp, #8]",
    "dlstp.32 lr, r12",
    "2:",
    "vldrw.u32 q0, [r0], #16",
    "vldrw.u32 q1, [r1], #16",
    "vmla.s32 q0, q1, r3",
    "vstrw.32 q0, [r2], #16",
    "letp lr, 2b",
    "pop {{r4, pc}}",
);

routine!(
    symbol!("mve_window_copy"),
    "push {{r4-r6, lr}}",
    "ldm r0, {{r0-r6}}",
    "vdup.8 q1, r6",
    "2:",
    "dlstp.8 lr, r2",
    "3:",
    "vldrb.u8 q0, [r0], #16",
    "veor q0, q0, q1",
    "vstrb.8 q0, [r1], #16",
    "letp lr, 3b",
    "add r0, r4",
    "add r1, r5",
    "subs r3, #1",
    "bne 2b",
    "pop {{r4-r6, pc}}",
);

// r0, r2, r4 and r6 sums, r1 taps, r3, r5, r7 and r8 weights of four channels, r9 to the next four, r10
// from one channel to the next, r11 where the sums start, r12 where they go. On the stack how many taps
// there are, where the first is and where the sums end.
routine!(
    symbol!("mve_window_multiply4"),
    "push {{r4-r11, lr}}",
    "ldm r0, {{r5-r12}}",
    "push {{r5-r7}}",
    "mov r3, r8",
    "2:",
    "ldrd r0, r1, [sp]",
    "add r5, r3, r10",
    "add r7, r5, r10",
    "add r8, r7, r10",
    "dlstp.8 lr, r0",
    "ldm r11!, {{r0, r2, r4, r6}}",
    "3:",
    "vldrb.u8 q0, [r1], #16",
    "vldrb.u8 q1, [r3], #16",
    "vmladava.s8 r0, q0, q1",
    "vldrb.u8 q2, [r5], #16",
    "vmladava.s8 r2, q0, q2",
    "vldrb.u8 q1, [r7], #16",
    "vmladava.s8 r4, q0, q1",
    "vldrb.u8 q2, [r8], #16",
    "vmladava.s8 r6, q0, q2",
    "letp lr, 3b",
    "stm r12!, {{r0, r2, r4, r6}}",
    "sub r3, r8, r9",
    "ldr r0, [sp, #8]",
    "cmp r12, r0",
    "bne 2b",
    "add sp, #12",
    "pop {{r4-r11, pc}}",
);

// The same for one channel after the other, with the sum in r2.
routine!(
    symbol!("mve_window_multiply1"),
    "push {{r4-r11, lr}}",
    "ldm r0, {{r5-r12}}",
    "mov r4, r7",
    "mov r3, r8",
    "2:",
    "mov r1, r6",
    "dlstp.8 lr, r5",
    "ldr r2, [r11], #4",
    "3:",
    "vldrb.u8 q0, [r1], #16",
    "vldrb.u8 q1, [r3], #16",
    "vmladava.s8 r2, q0, q1",
    "letp lr, 3b",
    "str r2, [r12], #4",
    "sub r3, r3, r9",
    "cmp r12, r4",
    "bne 2b",
    "pop {{r4-r11, pc}}",
);
