//! How much a file may ask for. Everything that a file declares is held against these before
//! anything is allocated: a network for a microcontroller stays far below, and what lies about its
//! sizes ends in one line.

/// Bytes of a model file with what it keeps beside it.
pub const FILE_BYTES: usize = 1 << 27;

/// Nodes of a file whose local functions are written out.
pub const NODES: usize = 1 << 14;

/// Nodes that depend on the image.
pub const IMAGE_NODES: usize = 1 << 12;

/// Fields of a file's structure, without the elements of its tensors: each costs some hundred
/// bytes in memory but as few as two in the file.
pub const FIELDS: usize = 1 << 18;

/// Elements of one tensor.
pub const ELEMENTS: usize = 1 << 23;

/// Elements of all values, or of all constants that are computed, together.
pub const ALL_ELEMENTS: usize = 1 << 25;

/// Multiplications and additions for one image.
pub const OPERATIONS: usize = 1 << 33;

/// The number of elements that dimensions hold.
///
/// # Errors
///
/// A line that names the dimensions if they are more than [`ELEMENTS`] or pass what a `usize`
/// holds.
pub fn elements(dims: &[usize]) -> Result<usize, String> {
    // A zero must not hide dimensions that overflow in another order.
    let nonzero = dims.iter().filter(|&&dim| dim != 0);
    let product = nonzero.copied().try_fold(1_usize, usize::checked_mul);
    match product {
        Some(product) if product <= ELEMENTS => Ok(if dims.contains(&0) { 0 } else { product }),
        _ => Err(format!("the shape {dims:?} has more than {ELEMENTS} elements")),
    }
}
