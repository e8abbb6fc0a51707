//! A function of one value, as a table of its 256 results.

use crate::Activation;

/// The table's entry for every element of `x`. Entry `i` belongs to the value whose bits are those
/// of the byte `i`: of an `i8`, first 0 to 127, then -128 to -1.
pub fn lookup<X: Activation, Y: Activation>(table: &[Y; 256], x: &[X], y: &mut [Y]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = entry(table, *x);
    }
}

/// [`lookup`] of every value, in its place.
pub fn lookup_in_place<Y: Activation>(table: &[Y; 256], y: &mut [Y]) {
    for y in y {
        *y = entry(table, *y);
    }
}

#[inline(always)]
fn entry<X: Activation, Y: Activation>(table: &[Y; 256], x: X) -> Y {
    table[usize::from(x.to_i32() as u8)]
}
