//! The memory of a layer, for kernels that load several weights at once.

use core::marker::PhantomData;

/// The memory of a layer whose weights come first.
///
/// A kernel that loads weights four at a time reads up to three bytes behind the last one; with
/// the whole layer in its hands these bytes are known to exist.
#[derive(Clone, Copy)]
pub(crate) struct LayerBytes<'a> {
    start: *const u8,
    len: usize,
    layer: PhantomData<&'a u8>,
}

impl<'a> LayerBytes<'a> {
    pub(crate) fn of<T>(layer: &'a T) -> Self {
        Self { start: (&raw const *layer).cast(), len: size_of::<T>(), layer: PhantomData }
    }

    /// The address of byte `at`, if `len` bytes from there belong to the layer.
    pub(crate) fn get(self, at: usize, len: usize) -> Option<*const u8> {
        (at + len <= self.len).then(|| self.start.wrapping_add(at))
    }

    /// The weight at byte `at`.
    #[cfg(kernels = "x86_64")]
    pub(crate) fn weight(self, at: usize) -> i8 {
        // SAFETY: `get` says that the byte belongs to the layer. Weights come first in a layer,
        // and the caller asks for none behind them.
        self.get(at, 1).map_or(0, |weight| unsafe { weight.cast::<i8>().read() })
    }
}
