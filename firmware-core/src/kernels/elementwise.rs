//! Functions of two tensors, element by element.

use crate::Activation;

/// A function of two values, saturated afterwards.
pub trait Combine: Copy {
    /// The result for one element of each tensor.
    fn combine(self, a: i32, b: i32) -> i32;

    /// The results for the elements of two slices that lie in the same place, saturated.
    ///
    /// Processors with vectors ask for it; a function that they know how to compute several of at a time
    /// says so here.
    #[inline(always)]
    fn combine_all<A: Activation, B: Activation, Y: Activation>(
        self,
        a: &[A],
        b: &[B],
        y: &mut [Y],
    ) {
        for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)) {
            *y = Y::saturate(self.combine(a.to_i32(), b.to_i32()));
        }
    }
}

/// `f` of every element of `a` and the element of `b` at the same place. A `b` with fewer elements
/// is repeated: one with as many as there are channels has the same value for all pixels.
///
/// `a` and `y` are tensors of one shape.
pub fn elementwise<A: Activation, B: Activation, Y: Activation>(
    f: impl Combine,
    a: &[A],
    b: &[B],
    y: &mut [Y],
) {
    let period = b.len().max(1);
    for (y, a) in y.chunks_mut(period).zip(a.chunks(period)) {
        for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)) {
            *y = Y::saturate(f.combine(a.to_i32(), b.to_i32()));
        }
    }
}

/// [`elementwise`] where `y` holds the first tensor and receives the results: the two share their
/// type and their place.
pub fn elementwise_in_place<B: Activation, Y: Activation>(f: impl Combine, b: &[B], y: &mut [Y]) {
    for y in y.chunks_mut(b.len().max(1)) {
        for (y, b) in y.iter_mut().zip(b) {
            *y = Y::saturate(f.combine(y.to_i32(), b.to_i32()));
        }
    }
}
