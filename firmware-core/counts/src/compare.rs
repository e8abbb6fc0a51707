//! What ends a program: results that differ from the scalar kernels'.

use core::fmt::Debug;

use firmware_core::{Checked, Checksum};
use semihosting::println;

/// Ends the program with a line that names the case and what differs in it.
fn fail(what: &str, shape: &[usize], got: &dyn Debug, want: &dyn Debug) -> ! {
    println!("FAILED: {what} {shape:?}: {got:?}, not {want:?}");
    semihosting::process::exit(1)
}

/// Ends the program with the case and the place and the value of the first difference, or the numbers of
/// values, if `got` and `want` differ.
#[inline(never)]
pub fn must_match<T: PartialEq + Debug>(got: &[T], want: &[T], what: &str, shape: &[usize]) {
    if got == want {
        return;
    }
    match got.iter().zip(want).enumerate().find(|(_, (got, want))| got != want) {
        Some((at, (got, want))) => fail(what, shape, &(at, got), want),
        None => fail(what, shape, &got.len(), &want.len()),
    }
}

/// Ends the program if a layer's checksum is not that of the weights, biases and requantizations that it was
/// made of.
#[inline(never)]
pub(crate) fn must_check(
    layer: &impl Checked,
    parts: [&dyn Checked; 3],
    what: &str,
    shape: &[usize],
) {
    let (mut got, mut want) = (Checksum::new(), Checksum::new());
    layer.add_to(&mut got);
    parts.iter().for_each(|part| part.add_to(&mut want));
    if got.value().is_none() || got != want {
        fail(what, shape, &got, &want);
    }
}
