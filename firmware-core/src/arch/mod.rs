//! Kernels for particular processors, one file each: the only files with `unsafe`.
//!
//! Each offers the same: how a weight is stored, and a [`Patch`](target::Patch) that holds what
//! the windows of four output pixels cover, packed for the processor, and multiplies it with the
//! weights of every output channel. The order of the sums is all that differs from the scalar
//! kernels, and integers do not mind.

#[cfg_attr(kernels = "armv6m", path = "armv6m.rs")]
#[cfg_attr(kernels = "armv7em", path = "armv7em.rs")]
#[cfg_attr(kernels = "riscv32", path = "riscv32.rs")]
#[cfg_attr(not(kernels), path = "scalar.rs")]
pub(crate) mod target;

#[cfg(kernels)]
mod cursor;
#[cfg(kernels)]
mod layer_bytes;
#[cfg(kernels)]
pub(crate) use cursor::Cursor;
#[cfg(kernels)]
pub(crate) use layer_bytes::LayerBytes;

/// A layer's weights in the form in which the target keeps them.
pub(crate) const fn store_all<
    const OUT: usize,
    const KH: usize,
    const KW: usize,
    const IN: usize,
>(
    weights: [[[[i8; IN]; KW]; KH]; OUT],
) -> [[[[target::Stored; IN]; KW]; KH]; OUT] {
    let mut stored = [[[[target::store(0); IN]; KW]; KH]; OUT];
    let mut i = 0;
    while i < OUT * KH * KW * IN {
        let [o, y, x, c] = [i / IN / KW / KH, i / IN / KW % KH, i / IN % KW, i % IN];
        stored[o][y][x][c] = target::store(weights[o][y][x][c]);
        i += 1;
    }
    stored
}
