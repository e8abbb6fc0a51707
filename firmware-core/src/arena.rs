//! The caller's memory for activations.

use bytemuck::Pod;

/// `N` bytes in which a model keeps its activations; `N` is a constant of the model.
///
/// Regions are typed views at constant offsets. That they lie inside the arena, are aligned and
/// do not overlap is checked at compile time:
///
/// ```compile_fail
/// let mut arena = firmware_core::Arena::<16>::new();
/// let (_, _) = arena.pair::<[u8; 10], 0, [u8; 8], 8>(); // bytes 8 and 9 are in both
/// ```
///
/// ```compile_fail
/// let mut arena = firmware_core::Arena::<16>::new();
/// arena.region::<[u8; 10], 8>(); // ends at 18
/// ```
#[repr(C, align(4))]
pub struct Arena<const N: usize>([u8; N]);

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Arena<N> {
    /// An arena of zeros. What it holds before an inference does not matter.
    pub const fn new() -> Self {
        Self([0; N])
    }

    /// An arena whose bytes are all `byte`: tests use it to show that nothing is read before it
    /// was written.
    pub const fn filled_with(byte: u8) -> Self {
        Self([byte; N])
    }

    /// The region of type `T` at byte `AT`.
    #[inline(always)]
    pub fn region<T: Pod, const AT: usize>(&mut self) -> &mut T {
        const { assert!(AT + size_of::<T>() <= N, "the region must end inside the arena") };
        const {
            assert!(align_of::<T>() <= 4 && AT % align_of::<T>() == 0, "the region must be aligned")
        };
        let bytes = self.0.get_mut(AT..AT + size_of::<T>()).unwrap_or_default();
        match bytemuck::try_from_bytes_mut(bytes) {
            Ok(region) => region,
            // The assertions above leave nothing to go wrong; release builds drop this branch.
            Err(_) => unreachable!(),
        }
    }

    /// A layer's input at byte `IN_AT` and its output at byte `OUT_AT`, which do not overlap.
    #[inline(always)]
    pub fn pair<In: Pod, const IN_AT: usize, Out: Pod, const OUT_AT: usize>(
        &mut self,
    ) -> (&In, &mut Out) {
        const { assert!(IN_AT + size_of::<In>() <= N, "the input must end inside the arena") };
        const { assert!(OUT_AT + size_of::<Out>() <= N, "the output must end inside the arena") };
        const {
            assert!(
                IN_AT + size_of::<In>() <= OUT_AT || OUT_AT + size_of::<Out>() <= IN_AT,
                "input and output must not overlap"
            )
        };
        const {
            assert!(
                align_of::<In>() <= 4 && IN_AT % align_of::<In>() == 0,
                "the input must be aligned"
            )
        };
        const {
            assert!(
                align_of::<Out>() <= 4 && OUT_AT % align_of::<Out>() == 0,
                "the output must be aligned"
            )
        };
        let middle = if IN_AT < OUT_AT { OUT_AT } else { IN_AT };
        let (low, high) = self.0.split_at_mut_checked(middle).unwrap_or_default();
        let (input, output) = if IN_AT < OUT_AT {
            (low.get(IN_AT..), high.get_mut(..size_of::<Out>()))
        } else {
            (Some(&*high), low.get_mut(OUT_AT..OUT_AT + size_of::<Out>()))
        };
        let input = input.and_then(|bytes| bytes.get(..size_of::<In>())).unwrap_or_default();
        match (
            bytemuck::try_from_bytes(input),
            bytemuck::try_from_bytes_mut(output.unwrap_or_default()),
        ) {
            (Ok(input), Ok(output)) => (input, output),
            // The assertions above leave nothing to go wrong; release builds drop this branch.
            _ => unreachable!(),
        }
    }

    /// Two inputs of a layer, at bytes `A_AT` and `B_AT`, and its output at byte `OUT_AT`, which
    /// overlaps neither.
    ///
    /// ```compile_fail
    /// let mut arena = firmware_core::Arena::<16>::new();
    /// // The output's first byte is the second input's last.
    /// let (_, _, _) = arena.triple::<[u8; 4], 0, [u8; 5], 4, [u8; 4], 8>();
    /// ```
    #[inline(always)]
    pub fn triple<
        A: Pod,
        const A_AT: usize,
        B: Pod,
        const B_AT: usize,
        Out: Pod,
        const OUT_AT: usize,
    >(
        &mut self,
    ) -> (&A, &B, &mut Out) {
        const {
            assert!(
                A_AT + size_of::<A>() <= N && B_AT + size_of::<B>() <= N,
                "the inputs must end inside the arena"
            );
            assert!(OUT_AT + size_of::<Out>() <= N, "the output must end inside the arena");
            assert!(
                A_AT + size_of::<A>() <= OUT_AT || OUT_AT + size_of::<Out>() <= A_AT,
                "the first input and the output must not overlap"
            );
            assert!(
                B_AT + size_of::<B>() <= OUT_AT || OUT_AT + size_of::<Out>() <= B_AT,
                "the second input and the output must not overlap"
            );
            assert!(
                align_of::<A>() <= 4 && A_AT % align_of::<A>() == 0,
                "the first input must be aligned"
            );
            assert!(
                align_of::<B>() <= 4 && B_AT % align_of::<B>() == 0,
                "the second input must be aligned"
            );
            assert!(
                align_of::<Out>() <= 4 && OUT_AT % align_of::<Out>() == 0,
                "the output must be aligned"
            );
        };
        let (low, rest) = self.0.split_at_mut_checked(OUT_AT).unwrap_or_default();
        let (output, high) = rest.split_at_mut_checked(size_of::<Out>()).unwrap_or_default();
        let end = OUT_AT + size_of::<Out>();
        let (low, high) = (&*low, &*high);
        let a = if A_AT < OUT_AT { low.get(A_AT..) } else { high.get(A_AT.wrapping_sub(end)..) };
        let b = if B_AT < OUT_AT { low.get(B_AT..) } else { high.get(B_AT.wrapping_sub(end)..) };
        let a = a.and_then(|bytes| bytes.get(..size_of::<A>())).unwrap_or_default();
        let b = b.and_then(|bytes| bytes.get(..size_of::<B>())).unwrap_or_default();
        match (
            bytemuck::try_from_bytes(a),
            bytemuck::try_from_bytes(b),
            bytemuck::try_from_bytes_mut(output),
        ) {
            (Ok(a), Ok(b), Ok(output)) => (a, b, output),
            // The assertions above leave nothing to go wrong; release builds drop this branch.
            _ => unreachable!(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arena;

    #[test]
    fn regions_are_where_they_say() {
        let mut arena = Arena::<24>::new();
        *arena.region::<[u8; 4], 4>() = [1, 2, 3, 4];
        *arena.region::<i32, 20>() = i32::from_le_bytes([5, 6, 7, 8]);
        let (input, output) = arena.pair::<[u8; 4], 4, [[u8; 2]; 2], 16>();
        output[1] = [input[0], input[3]];
        let (high, low) = arena.pair::<[u8; 4], 20, [u8; 4], 0>();
        *low = *high;
        assert_eq!(
            *arena.region::<[u8; 24], 0>(),
            [5, 6, 7, 8, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 5, 6, 7, 8]
        );
    }

    #[test]
    fn three_regions_in_every_order() {
        fn sum([a, b]: [&[u8; 4]; 2], y: &mut [u8; 4]) {
            y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (a, b))| *y = a + b);
        }
        let mut arena = Arena::<12>::new();
        *arena.region::<[u8; 8], 0>() = [1, 2, 3, 4, 10, 20, 30, 40];
        let (a, b, y) = arena.triple::<_, 0, _, 4, _, 8>();
        sum([a, b], y);
        assert_eq!(*y, [11, 22, 33, 44]);
        let (a, b, y) = arena.triple::<_, 8, _, 0, _, 4>();
        sum([a, b], y);
        assert_eq!(*y, [12, 24, 36, 48]);
        let (a, b, y) = arena.triple::<_, 8, _, 4, _, 0>();
        sum([a, b], y);
        assert_eq!(*y, [23, 46, 69, 92]);
        let (a, b, y) = arena.triple::<_, 4, _, 4, _, 8>();
        sum([a, b], y);
        assert_eq!(
            *arena.region::<[u8; 12], 0>(),
            [23, 46, 69, 92, 12, 24, 36, 48, 24, 48, 72, 96]
        );
    }
}
