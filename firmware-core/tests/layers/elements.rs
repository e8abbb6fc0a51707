//! Average poolings and additions.

use firmware_core::kernels::{self, Pool2dShape};
use firmware_core::{Activation, Add, AveragePool2d, Clip, Shift, Strided, Unit, Window};

use crate::{Source, on_every_processor, untouched};

#[test]
fn average_poolings() {
    on_every_processor(|| {
        let source = &mut Source(21);
        let x: [[[u8; 6]; 5]; 4] = [(); 4].map(|()| [(); 5].map(|()| source.activations()));
        let (mut y, mut want) = ([[[0x5au8; 6]; 2]; 2], [0; 24]);
        AveragePool2d::<3, 2, Strided<2, 2, 1, 0, 0, 0>>::new(Shift::new(2)).forward(&x, &mut y);
        let window = Window { stride: [2, 2], padding: [1, 0, 0, 0], ..Window::new([3, 2]) };
        let shape = Pool2dShape { input: [4, 5, 6], output: [2, 2, 6], window };
        kernels::average_pool2d(&shape, x.as_flattened().as_flattened(), Shift::new(2), &mut want);
        assert_eq!(y.as_flattened().as_flattened(), want);
        // More channels than a vector has lanes, and some that are left over.
        let x: [[[i8; 18]; 3]; 3] = [(); 3].map(|()| [(); 3].map(|()| source.activations()));
        let (mut y, mut want) = ([[[0x5ai8; 18]; 2]; 2], [0; 72]);
        AveragePool2d::<2, 2, Unit>::new(Shift::new(1)).forward(&x, &mut y);
        let window = Window::new([2, 2]);
        let shape = Pool2dShape { input: [3, 3, 18], output: [2, 2, 18], window };
        kernels::average_pool2d(&shape, x.as_flattened().as_flattened(), Shift::new(1), &mut want);
        assert_eq!(y.as_flattened().as_flattened(), want);
    });
}

/// Both tensors have `N` values, more than a vector; one sum is kept in place.
fn addition<A: Activation, B: Activation, const N: usize, const A_BITS: u32, const B_BITS: u32>(
    bits: u8,
) {
    let source = &mut Source(u64::from(bits) + 41);
    let (mut a, mut b): ([A; N], [B; N]) = (source.activations(), source.activations());
    // The least and the largest sum.
    (a[0], b[0]) = (A::saturate(-128), B::saturate(-128));
    (a[1], b[1]) = (A::saturate(255), B::saturate(255));
    let (mut y, mut want) = ([[[untouched::<i8>(); N]]], [0; N]);
    let left = [A_BITS, B_BITS];
    Add::<A_BITS, B_BITS>::new(Shift::new(bits)).forward(&[[a]], &[[b]], &mut y);
    kernels::add(left, &a, &b, Shift::new(bits), &mut want);
    assert_eq!(y, [[want]]);
    let (mut y, mut want) = ([[[untouched::<u8>(); N]]], [0; N]);
    Add::<A_BITS, B_BITS>::new(Shift::new(bits)).forward(&[[a]], &[[b]], &mut y);
    kernels::add(left, &a, &b, Shift::new(bits), &mut want);
    assert_eq!(y, [[want]]);
    let (mut y, mut want) = ([[b]], b);
    Add::<A_BITS, B_BITS, Clip<3, 90>>::new(Clip::new(bits)).forward_in_place(&[[a]], &mut y);
    kernels::add_in_place(left, &a, Clip::<3, 90>::new(bits), &mut want);
    assert_eq!(y, [[want]]);
}

#[test]
fn additions() {
    on_every_processor(|| {
        for bits in [0, 1, 5, 13, 31] {
            addition::<i8, u8, 37, 0, 2>(bits);
            addition::<u8, u8, 19, 5, 0>(bits);
            addition::<i8, i8, 70, 6, 5>(bits);
            addition::<u8, i8, 101, 4, 6>(bits);
            addition::<u8, u8, 32, 5, 6>(bits);
            addition::<i8, u8, 33, 1, 15>(bits); // more than 16 bits
        }
    });
}
