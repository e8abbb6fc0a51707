//! From sums in the lanes of vectors to outputs: shifts where the sums are, any other requantization sixteen
//! channels at a time, because the compiler makes vectors of loops of that length.

use core::mem::MaybeUninit;

use super::compiled::winograd_avx2;
use super::vectors::Lanes;
use super::winograd::Winograd;
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
    /// Computes all of `y`, or returns false where it takes less otherwise or outputs are no bytes.
    ///
    /// # Safety
    ///
    /// The processor must have AVX2.
    unsafe fn tiles<X: Activation>(self, _layer: &Winograd<X, R>, _y: &mut [Y]) -> bool {
        false
    }
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

    unsafe fn tiles<X: Activation>(self, layer: &Winograd<X, R>, y: &mut [Y]) -> bool {
        let Some(tiles) = layer.tiles(false, y.len()) else { return false };
        // SAFETY: as the caller promises.
        unsafe { winograd_avx2::<_, _, _, false>(layer, &tiles, y) }
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
    /// Largest bias, up to a sign.
    const BIAS: i32 = (1 << 29) - 1;

    /// Makes `to` that of as many channels as `bias` has, no more than `SIZE`, and returns it; those that are left
    /// over are harmless. `None` where a sum of so many products could be too large.
    // What is in place need not be copied, which has to wait until all of it is stored.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`.
    #[inline(always)]
    pub(super) unsafe fn set<'r, V: Lanes>(
        to: &'r mut MaybeUninit<Self>,
        bias: &[i32],
        shifts: &[Shift],
        products: usize,
    ) -> Option<&'r Self> {
        const { assert!(SIZE % V::PIXELS == 0) };
        let count = bias.len().min(shifts.len());
        if count > SIZE || products >= PRODUCTS {
            return None;
        }
        let all: *mut Self = to.as_mut_ptr();
        let mut fits = true;
        // SAFETY: the loads are of what the slices have, and `SIZE` is a multiple of what a vector has.
        unsafe {
            let [start, mask, tie, bits] = [
                (&raw mut (*all).start).cast::<i32>(),
                (&raw mut (*all).mask).cast::<i32>(),
                (&raw mut (*all).tie).cast::<i32>(),
                (&raw mut (*all).bits).cast::<i32>(),
            ];
            for at in (0..SIZE).step_by(V::PIXELS) {
                let left = count.saturating_sub(at);
                let biases = V::first_words(bias.as_ptr().wrapping_add(at), left);
                let shifts = shifts.as_ptr().wrapping_add(at).cast();
                let to_bits = V::first_bytes(shifts, left);
                fits &= !V::exceeds(biases, Self::BIAS) && !V::exceeds(to_bits, BITS);
                let [to_start, to_mask, to_tie] = V::division(biases, to_bits);
                start.add(at).cast::<V>().write_unaligned(to_start);
                mask.add(at).cast::<V>().write_unaligned(to_mask);
                tie.add(at).cast::<V>().write_unaligned(to_tie);
                bits.add(at).cast::<V>().write_unaligned(to_bits);
            }
            fits.then_some(to.assume_init_ref())
        }
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

/// Memory for how the sums of up to [`MOST`] channels are finished.
pub(super) struct Room<R> {
    rounding: MaybeUninit<Rounding>,
    others: MaybeUninit<([i32; MOST], [R; MOST])>,
}

impl<R> Room<R> {
    #[inline(always)]
    pub(super) const fn new() -> Self {
        Self { rounding: MaybeUninit::uninit(), others: MaybeUninit::uninit() }
    }
}

/// How sums are finished.
#[derive(Clone, Copy)]
enum Kind<'a, R> {
    Shifts(&'a Rounding),
    /// Biases and requantizations; where there are fewer, the first is repeated.
    Others(&'a [i32; MOST], &'a [R; MOST]),
}

/// Biases and requantizations of some channels.
pub(super) struct Outputs<'a, R> {
    kind: Kind<'a, R>,
    /// How many there are.
    count: usize,
}

impl<'a, R: Copy> Outputs<'a, R> {
    /// Those of the first `count` channels, one to [`MOST`] of them, whose sums are of so many products;
    /// `None` where there are fewer.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`.
    #[inline(always)]
    pub(super) unsafe fn new<V: Lanes, Y, E: Ending<R, Y>>(
        room: &'a mut Room<R>,
        (bias, requantize): (&[i32], &[R]),
        count: usize,
        products: usize,
    ) -> Option<Self> {
        let (bias, requantize) = (bias.get(..count)?, requantize.get(..count)?);
        if let Some((shifts, _)) = E::shifts(requantize) {
            // SAFETY: as the caller promises.
            let set = unsafe { Rounding::set::<V>(&mut room.rounding, bias, shifts, products) };
            if let Some(rounding) = set {
                return Some(Self { kind: Kind::Shifts(rounding), count });
            }
        }
        let first = (*bias.first()?, *requantize.first()?);
        let (biases, all) = room.others.write(([first.0; MOST], [first.1; MOST]));
        biases.iter_mut().zip(bias).for_each(|(to, bias)| *to = *bias);
        all.iter_mut().zip(requantize).for_each(|(to, one)| *to = *one);
        Some(Self { kind: Kind::Others(biases, all), count })
    }

    /// What the sums of `N` vectors of channels begin with.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`, of which `N` have no more lanes than [`MOST`].
    #[inline(always)]
    pub(super) unsafe fn start<V: Lanes, const N: usize>(&self) -> [V; N] {
        const { assert!(N * V::PIXELS <= MOST) };
        let start = match self.kind {
            Kind::Shifts(rounding) => &rounding.start,
            Kind::Others(bias, _) => bias,
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
        let rounding = match self.kind {
            Kind::Shifts(rounding) => rounding,
            Kind::Others(_, requantize) => {
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
            let mut bytes = MaybeUninit::<[[u8; MOST]; P]>::uninit();
            let mut nowhere = MaybeUninit::<[u8; 16]>::uninit();
            let (bytes, nowhere) = (bytes.as_mut_ptr().cast::<u8>(), nowhere.as_mut_ptr().cast());
            let full = self.count == width;
            let mut i = 0;
            while i < P * N {
                let (mut four, mut to) = ([V::zero(); 4], [nowhere; 4]);
                for j in 0..4 {
                    if i + j < P * N {
                        let (p, n) = ((i + j) / N, (i + j) % N);
                        let [mask, tie, bits] = rounding.words(n);
                        four[j] = V::round(sums[p][n], mask, tie, bits);
                        to[j] = match full {
                            true => y.add(p * depth + n * V::PIXELS),
                            false => bytes.add(p * MOST + n * V::PIXELS),
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
                for p in 0..P {
                    copy(bytes.add(p * MOST), y.add(p * depth), self.count);
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
