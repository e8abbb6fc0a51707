//! What is done to rows between the layers, against loops over single bytes.

use firmware_core::{Activation, AveragePool2d, MeanPool2d, Rows, Shift, Unit, kernels};

use crate::compare::must_match;
use crate::source::Source;
use crate::values::Values;

/// Bytes of a buffer, and of what is kept of it.
const BYTES: usize = 300;

/// Begins with a word.
#[repr(align(4))]
struct Aligned([u8; BYTES]);

/// Rows that move to a buffer's beginning, and that are copied to where they wait: of any number, of any number of
/// bytes, from any address to any other.
#[inline(never)]
pub fn moved(seed: u64) {
    let source = &mut Source::new(seed);
    for round in 0..400 {
        let (skip, count) = (source.word() as usize % 70, source.word() as usize % 150);
        // Every other one from word to word.
        let odd = |source: &mut Source| if round % 2 == 0 { 0 } else { source.word() as usize % 4 };
        let (at, to) = (odd(source), odd(source));
        let skip = if round % 2 == 0 { skip / 4 * 4 } else { skip };
        let case = [skip, count, at, to];
        let (mut buffer, mut kept) = (Aligned([0; BYTES]), Aligned([0xa5; BYTES]));
        buffer.0.iter_mut().for_each(|byte| *byte = source.byte());
        let before = buffer.0;
        let some = &mut buffer.0[at..];

        let mut rows = Rows::new();
        rows.output(some, skip + count);
        rows.save(skip, some, &mut kept.0[to..]);
        let mut want = [0xa5; BYTES];
        (0..count).for_each(|row| want[to + row] = before[at + skip + row]);
        must_match(&kept.0, &want, "rows saved", &case);

        let mut rows = Rows::new();
        rows.output(some, skip + count);
        rows.slide(skip, some);
        let mut want = before;
        (0..count).for_each(|row| want[at + row] = before[at + skip + row]);
        must_match(&buffer.0, &want, "rows moved", &case);

        rows.load(&buffer.0[at..], &mut kept.0[to..]);
        let mut want = [0xa5; BYTES];
        (0..count).for_each(|row| want[to + row] = before[at + skip + row]);
        must_match(&kept.0, &want, "rows loaded", &case);
    }
}

/// Sums over all of an image, some rows at a time.
#[inline(never)]
pub fn summed(seed: u64) {
    each_number::<u8>(seed);
    each_number::<i8>(seed);
}

/// Numbers of channels that vectors of sixteen and of four hold, and others.
fn each_number<X: Activation>(seed: u64) {
    sums::<X, 1>(seed);
    sums::<X, 4>(seed);
    sums::<X, 7>(seed);
    sums::<X, 28>(seed);
    sums::<X, 66>(seed);
    sums::<X, 84>(seed);
}

fn sums<X: Activation, const C: usize>(seed: u64) {
    let source = &mut Source::new(seed);
    let mut x = [[[X::MIN; C]; 5]; 3];
    for rows in 0..=3 {
        Values::Random.input(source, x.as_flattened_mut().as_flattened_mut());
        let mut sums = [0; C];
        source.biases(&mut sums);
        let (mut want, mut means) = (sums, sums);
        let some = &x[..rows];
        kernels::add_pixels(some.as_flattened().as_flattened(), &mut want);
        AveragePool2d::<3, 5, Unit, Shift>::new(Shift::new(0)).add_rows(some, &mut sums);
        must_match(&sums, &want, "sums of rows", &[C, rows]);
        MeanPool2d::<3, 5>::new().add_rows(some, &mut means);
        must_match(&means, &want, "sums of rows", &[C, rows]);
    }
}
