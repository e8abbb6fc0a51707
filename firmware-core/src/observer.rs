//! Looking at an inference from outside.

/// Is told when each layer starts and ends: for cycle counters and instruction-count markers.
///
/// A model that computes some rows at a time ([`Rows`](crate::Rows)) starts and ends each of its
/// layers many times, between those of others: what one layer costs is the sum.
///
/// Both methods do nothing by default, and `()` is the observer that costs nothing.
pub trait Observer {
    /// Layer number `layer` (the index into [`ModelInfo::layers`](crate::ModelInfo::layers))
    /// is about to run.
    #[inline(always)]
    fn start(&mut self, layer: usize) {
        let _ = layer;
    }

    /// Layer number `layer` has written its output, or some rows of it.
    #[inline(always)]
    fn end(&mut self, layer: usize) {
        let _ = layer;
    }
}

impl Observer for () {}
