//! From sums in the lanes of vectors to outputs: shifts where the sums are, any other requantization sixteen
//! channels at a time, because the compiler makes vectors of loops of that length.

use super::vectors::Lanes;
use crate::kernels::requantized;
use crate::{Activation, Requantize, Shift};

/// Most channels that are finished together.
pub(super) const MOST: usize = 32;

/// What becomes of an accumulator.
pub(super) trait Ending<R, Y>: Copy {
    /// One of them, with its channel's requantization.
    fn finish(self, requantize: R, accumulator: i32) -> Y;
    /// [`Requantize::as_shifts`], if outputs are bytes.
    fn shifts(all: &[R]) -> Option<(&[Shift], [i32; 2])>;
    /// The vectors' words as bytes: [`Lanes::narrow`].
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`, and `to` be good for four vectors of bytes.
    unsafe fn narrow<V: Lanes>(four: [V; 4], to: *mut u8);
    /// The same, each vector's bytes to a place of its own: [`Lanes::scatter`].
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`, and each of `to` be good for a vector of bytes.
    unsafe fn scatter<V: Lanes>(four: [V; 4], to: [*mut u8; 4]);
}

/// Requantized and saturated.
#[derive(Clone, Copy)]
pub(super) struct Requantized;

impl<R: Requantize, Y: Activation> Ending<R, Y> for Requantized {
    #[inline(always)]
    fn finish(self, requantize: R, accumulator: i32) -> Y {
        requantized(requantize, accumulator)
    }

    #[inline(always)]
    fn shifts(all: &[R]) -> Option<(&[Shift], [i32; 2])> {
        R::as_shifts(all)
    }

    #[inline(always)]
    unsafe fn narrow<V: Lanes>(four: [V; 4], to: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe { V::narrow::<Y>(four, bounds::<R>(), to) }
    }

    #[inline(always)]
    unsafe fn scatter<V: Lanes>(four: [V; 4], to: [*mut u8; 4]) {
        // SAFETY: as the caller promises.
        unsafe { V::scatter::<Y>(four, bounds::<R>(), to) }
    }
}

/// What a function makes of it.
#[derive(Clone, Copy)]
pub(super) struct Each<F>(pub F);

impl<R, Y, F: Fn(R, i32) -> Y + Copy> Ending<R, Y> for Each<F> {
    #[inline(always)]
    fn finish(self, requantize: R, accumulator: i32) -> Y {
        self.0(requantize, accumulator)
    }

    #[inline(always)]
    fn shifts(_: &[R]) -> Option<(&[Shift], [i32; 2])> {
        None
    }

    #[inline(always)]
    unsafe fn narrow<V: Lanes>(_: [V; 4], _: *mut u8) {}

    #[inline(always)]
    unsafe fn scatter<V: Lanes>(_: [V; 4], _: [*mut u8; 4]) {}
}

/// The bounds of all requantizations of a type, which are constants.
#[inline(always)]
pub(super) fn bounds<R: Requantize>() -> [i32; 2] {
    R::as_shifts(&[]).map_or([i32::MIN, i32::MAX], |(_, bounds)| bounds)
}

/// Most products in a sum whose bias is below [`Rounding::BIAS`], and most bits: neither a sum nor half a
/// unit more leaves 32 bits.
const PRODUCTS: usize = 1 << 14;
const BITS: i32 = 29;

/// Division by powers of two, rounding half to even, of sums that began with half a unit beside the bias.
///
/// The floor is then rounded half up. Where nothing was left over and the result is odd, the sum was a half
/// that belongs to the even number below: the lower bits of such a sum, one more than are shifted out, are
/// zero but for the highest.
pub(super) struct Rounding<const SIZE: usize = MOST> {
    /// What sums begin with.
    pub start: [i32; SIZE],
    pub mask: [i32; SIZE],
    pub tie: [i32; SIZE],
    pub bits: [i32; SIZE],
}

impl<const SIZE: usize> Rounding<SIZE> {
    /// Least bias that is too large.
    const BIAS: u32 = 1 << 29;

    /// Of as many channels as `bias` has, no more than `SIZE`; those that are left over are harmless.
    /// `None` where a sum of so many products could be too large.
    #[inline(always)]
    pub(super) fn new(bias: &[i32], shifts: &[Shift], products: usize) -> Option<Self> {
        let zeros = [0; SIZE];
        let mut all = Self { start: zeros, mask: zeros, tie: zeros, bits: zeros };
        let (mut large, mut far) = (0, 0);
        // By four, because those become vectors. No copy is made first: it would be loaded before it is stored.
        let count = bias.len().min(shifts.len()).min(SIZE);
        let (biases, last_biases) = bias.get(..count)?.as_chunks::<4>();
        let (shifts, last_shifts) = shifts.get(..count)?.as_chunks::<4>();
        for (number, (biases, shifts)) in biases.iter().zip(shifts).enumerate() {
            for n in 0..4 {
                all.set(4 * number + n, biases[n], shifts[n], (&mut large, &mut far));
            }
        }
        for (n, (bias, shift)) in last_biases.iter().zip(last_shifts).enumerate() {
            all.set(count / 4 * 4 + n, *bias, *shift, (&mut large, &mut far));
        }
        (products < PRODUCTS && large < Self::BIAS && far <= BITS).then_some(all)
    }

    /// Sets what is known of channel number `n`, and makes the largest bias and shift larger where its are.
    #[inline(always)]
    fn set(&mut self, n: usize, bias: i32, shift: Shift, (large, far): (&mut u32, &mut i32)) {
        let bits = i32::from(shift.bits());
        let divides = -i32::from(bits != 0);
        let unit = 1i32 << (bits & 31);
        let to = (
            self.start.get_mut(n),
            self.mask.get_mut(n),
            self.tie.get_mut(n),
            self.bits.get_mut(n),
        );
        let (Some(start), Some(mask), Some(tie), Some(to_bits)) = to else { return };
        *start = bias.wrapping_add((unit >> 1) & divides);
        *mask = unit.wrapping_mul(2).wrapping_sub(1) & divides;
        *tie = unit;
        *to_bits = bits;
        *large |= bias.unsigned_abs();
        *far = (*far).max(bits);
    }

    /// Masks, ties and bits of the channels in vector number `n`.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`, and there must be as many channels as that.
    #[inline(always)]
    pub(super) unsafe fn words<V: Lanes>(&self, n: usize) -> [V; 3] {
        let at = n * V::PIXELS;
        // SAFETY: as the caller promises.
        unsafe {
            [
                V::words(self.mask.as_ptr().add(at)),
                V::words(self.tie.as_ptr().add(at)),
                V::words(self.bits.as_ptr().add(at)),
            ]
        }
    }
}

/// How sums of up to [`MOST`] channels are finished; where there are fewer, the first is repeated.
#[allow(clippy::large_enum_variant)] // on the stack, and never moved
enum Kind<R> {
    Shifts(Rounding),
    Others { bias: [i32; MOST], requantize: [R; MOST] },
}

/// Biases and requantizations of some channels.
pub(super) struct Outputs<R> {
    kind: Kind<R>,
    /// How many there are.
    count: usize,
}

impl<R: Copy> Outputs<R> {
    /// Those of the first `count` channels, one to [`MOST`] of them, whose sums are of so many products;
    /// `None` where there are fewer.
    #[inline(always)]
    pub(super) fn new<Y, E: Ending<R, Y>>(
        bias: &[i32],
        requantize: &[R],
        count: usize,
        products: usize,
    ) -> Option<Self> {
        let (bias, requantize) = (bias.get(..count)?, requantize.get(..count)?);
        if let Some((shifts, _)) = E::shifts(requantize) {
            if let Some(rounding) = Rounding::new(bias, shifts, products) {
                return Some(Self { kind: Kind::Shifts(rounding), count });
            }
        }
        let (&first_bias, &first) = (bias.first()?, requantize.first()?);
        let (mut biases, mut all) = ([first_bias; MOST], [first; MOST]);
        biases.iter_mut().zip(bias).for_each(|(to, bias)| *to = *bias);
        all.iter_mut().zip(requantize).for_each(|(to, one)| *to = *one);
        Some(Self { kind: Kind::Others { bias: biases, requantize: all }, count })
    }

    /// What the sums of `N` vectors of channels begin with.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`, of which `N` have no more lanes than [`MOST`].
    #[inline(always)]
    pub(super) unsafe fn start<V: Lanes, const N: usize>(&self) -> [V; N] {
        const { assert!(N * V::PIXELS <= MOST) };
        let start = match &self.kind {
            Kind::Shifts(rounding) => &rounding.start,
            Kind::Others { bias, .. } => bias,
        };
        // SAFETY: as many words are there.
        unsafe {
            let mut all = [V::zero(); N];
            for n in 0..N {
                all[n] = V::words(start.as_ptr().add(n * V::PIXELS));
            }
            all
        }
    }

    /// Finishes the sums of `P` pixels, which lie `depth` values apart in `y`; does nothing where `y` is too
    /// short.
    ///
    /// # Safety
    ///
    /// As [`Outputs::start`].
    #[inline(always)]
    pub(super) unsafe fn finish<V: Lanes, Y, E: Ending<R, Y>, const P: usize, const N: usize>(
        &self,
        sums: [[V; N]; P],
        ending: E,
        depth: usize,
        y: &mut [Y],
    ) {
        const { assert!(P > 0 && N * V::PIXELS <= MOST) };
        if y.len() < (P - 1) * depth + self.count {
            return;
        }
        let rounding = match &self.kind {
            Kind::Shifts(rounding) => rounding,
            Kind::Others { requantize, .. } => {
                let mut words = [[0i32; MOST]; P];
                for p in 0..P {
                    for n in 0..N {
                        // SAFETY: there is room for all lanes.
                        unsafe {
                            let to = words[p].as_mut_ptr().add(n * V::PIXELS);
                            to.cast::<V>().write_unaligned(sums[p][n]);
                        }
                    }
                }
                for (p, words) in words.iter().enumerate() {
                    let y = y.get_mut(p * depth..).unwrap_or_default();
                    self.finish_words(requantize, words, ending, y);
                }
                return;
            }
        };
        // SAFETY: outputs are bytes where there are shifts; there are as many words of each kind as `N`
        // vectors have, and `y` has `count` values of each pixel.
        unsafe {
            let width = N * V::PIXELS;
            let y = y.as_mut_ptr().cast::<u8>();
            // Room for what is no pixel's and for channels that there are not.
            let mut bytes = [[0u8; MOST]; P];
            let mut nowhere = [0u8; 16];
            let full = self.count == width;
            let mut i = 0;
            while i < P * N {
                let (mut four, mut to) = ([V::zero(); 4], [nowhere.as_mut_ptr(); 4]);
                for j in 0..4 {
                    if i + j < P * N {
                        let (p, n) = ((i + j) / N, (i + j) % N);
                        let [mask, tie, bits] = rounding.words(n);
                        four[j] = V::round(sums[p][n], mask, tie, bits);
                        to[j] = match full {
                            true => y.add(p * depth + n * V::PIXELS),
                            false => bytes[p].as_mut_ptr().add(n * V::PIXELS),
                        };
                    }
                }
                if P * N % 4 == 0 && full && depth == width {
                    E::narrow(four, to[0]);
                } else {
                    E::scatter(four, to);
                }
                i += 4;
            }
            if !full {
                for (p, bytes) in bytes.iter().enumerate() {
                    copy(bytes.as_ptr(), y.add(p * depth), self.count);
                }
            }
        }
    }

    /// Finishes the channels' words into the beginning of `y`.
    #[inline(always)]
    fn finish_words<Y, E: Ending<R, Y>>(
        &self,
        all: &[R; MOST],
        words: &[i32; MOST],
        ending: E,
        y: &mut [Y],
    ) {
        let (whole, rest) = y.get_mut(..self.count).unwrap_or_default().as_chunks_mut::<16>();
        let (words, few) = (words.as_chunks::<16>().0, words);
        let requantize = all.as_chunks::<16>().0;
        let done = 16 * whole.len();
        for ((y, words), requantize) in whole.iter_mut().zip(words).zip(requantize) {
            for n in 0..16 {
                y[n] = ending.finish(requantize[n], words[n]);
            }
        }
        let left = few.iter().zip(all).skip(done);
        for (y, (word, requantize)) in rest.iter_mut().zip(left) {
            *y = ending.finish(*requantize, *word);
        }
    }
}

/// Copies `count` bytes, one to [`MOST`] of them.
///
/// # Safety
///
/// Both must be good for them.
#[inline(always)]
unsafe fn copy(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        // Two words overlap.
        match count {
            16.. => {
                to.cast::<[u64; 2]>().write_unaligned(from.cast::<[u64; 2]>().read_unaligned());
                let last = count - 16;
                let end = from.add(last).cast::<[u64; 2]>().read_unaligned();
                to.add(last).cast::<[u64; 2]>().write_unaligned(end);
            }
            8.. => {
                to.cast::<u64>().write_unaligned(from.cast::<u64>().read_unaligned());
                let last = count - 8;
                let end = from.add(last).cast::<u64>().read_unaligned();
                to.add(last).cast::<u64>().write_unaligned(end);
            }
            4.. => {
                to.cast::<u32>().write_unaligned(from.cast::<u32>().read_unaligned());
                let last = count - 4;
                let end = from.add(last).cast::<u32>().read_unaligned();
                to.add(last).cast::<u32>().write_unaligned(end);
            }
            _ => {
                for n in 0..count {
                    to.add(n).write(from.add(n).read());
                }
            }
        }
    }
}
