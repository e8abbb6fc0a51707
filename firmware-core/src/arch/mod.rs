//! Kernels for particular processors, one file each: the only files with `unsafe`.
//!
//! Each offers the same: the order in which it wants weights, and a [`Patch`](target::Patch) that
//! holds what the windows of four output pixels cover, packed for the processor, and multiplies it
//! with the weights of every output channel. The order of the sums is all that differs from the
//! scalar kernels, and integers do not mind. Where a target can do better for some layers it does.

#[cfg(kernels)]
mod cursor;
#[cfg(kernels)]
mod layer_bytes;
#[cfg(not(kernels = "riscv32"))]
mod natural;
#[cfg(any(kernels = "armv6m", kernels = "armv7m", kernels = "riscv32"))]
mod packed;
#[cfg(any(kernels = "armv7m", kernels = "armv7em"))]
pub(crate) mod rows;

#[cfg_attr(kernels = "armv6m", path = "armv6m.rs")]
#[cfg_attr(kernels = "armv7m", path = "armv6m.rs")]
#[cfg_attr(kernels = "armv7em", path = "armv7em.rs")]
#[cfg_attr(kernels = "riscv32", path = "riscv32.rs")]
#[cfg_attr(kernels = "x86_64", path = "x86_64.rs")]
#[cfg_attr(not(kernels), path = "scalar.rs")]
pub(crate) mod target;

#[cfg(kernels)]
pub(crate) use cursor::Cursor;
#[cfg(kernels)]
pub(crate) use layer_bytes::LayerBytes;
