//! The scalar kernels as functions that stay functions: inlined for every shape they would take most of the
//! flash of a program, and of the time to compile it.

use firmware_core::kernels::{self, Conv2dShape, Pool2dShape};
use firmware_core::{Activation, Requantize};

macro_rules! scalar {
    ($($name:ident<$($of:ident: $bound:ident),*>($($argument:ident: $type:ty),*);)*) => {
        $(
            #[inline(never)]
            pub fn $name<$($of: $bound),*>($($argument: $type),*) {
                kernels::$name($($argument),*);
            }
        )*
    };
}

scalar! {
    conv2d<X: Activation, Y: Activation, R: Requantize>(
        shape: &Conv2dShape, x: &[X], weights: &[i8], bias: &[i32], requantize: &[R], y: &mut [Y]
    );
    conv2d_accumulate<X: Activation>(
        shape: &Conv2dShape, x: &[X], weights: &[i8], bias: &[i32], y: &mut [i32]
    );
    conv2d_max_pool2d<X: Activation, Y: Activation, R: Requantize>(
        shape: &Conv2dShape, pool: &Pool2dShape, x: &[X], weights: &[i8], bias: &[i32], requantize: &[R],
        y: &mut [Y]
    );
    depthwise_conv2d<X: Activation, Y: Activation, R: Requantize>(
        shape: &Conv2dShape, x: &[X], weights: &[i8], bias: &[i32], requantize: &[R], y: &mut [Y]
    );
    grouped_conv2d<X: Activation, Y: Activation, R: Requantize>(
        shape: &Conv2dShape, groups: usize, x: &[X], weights: &[i8], bias: &[i32], requantize: &[R],
        y: &mut [Y]
    );
    fully_connected<X: Activation, Y: Activation, R: Requantize>(
        x: &[X], weights: &[i8], bias: &[i32], requantize: &[R], y: &mut [Y]
    );
    fully_connected_logits<X: Activation>(x: &[X], weights: &[i8], bias: &[i32], logits: &mut [i32]);
    max_pool2d<X: Activation>(shape: &Pool2dShape, x: &[X], y: &mut [X]);
    average_pool2d<X: Activation, Y: Activation, R: Requantize>(
        shape: &Pool2dShape, x: &[X], requantize: R, y: &mut [Y]
    );
}
