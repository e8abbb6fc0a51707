//! Where the windows of a convolution or a pooling lie on their input.

/// The window of a two-dimensional operator.
///
/// Padding at the bottom and at the right is not stored: it follows from the output's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width of the window, in pixels.
    pub kernel: [usize; 2],
    /// Rows and columns from one window to the next.
    pub stride: [usize; 2],
    /// Rows above and columns left of the input that the first window covers.
    pub padding: [usize; 2],
}

/// The part of one window that lies on the input, along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// First position inside the window.
    pub kernel: usize,
    /// First position on the input.
    pub input: usize,
    /// How many positions.
    pub len: usize,
}

impl Window {
    /// The part of window number `index` along `axis` (0: rows, 1: columns) that lies on an input
    /// of `size` positions.
    #[inline(always)]
    pub(crate) fn span(&self, axis: Axis, index: usize, size: usize) -> Span {
        let (kernel, stride, padding) = match axis {
            Axis::Rows => (self.kernel[0], self.stride[0], self.padding[0]),
            Axis::Columns => (self.kernel[1], self.stride[1], self.padding[1]),
        };
        let start = index * stride;
        let skipped = padding.saturating_sub(start);
        let input = start.saturating_sub(padding);
        let len = kernel.saturating_sub(skipped).min(size.saturating_sub(input));
        Span { kernel: skipped, input, len }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Axis {
    Rows,
    Columns,
}

/// The number of windows along one axis, as ONNX counts them: the last incomplete window is left
/// out. `before` and `after` are the padding on either side.
///
/// # Panics
///
/// If a stride is zero, if the window is larger than the padded input, or if the padding is as
/// large as the window. The layers ask at compile time.
pub const fn output_size(
    input: usize,
    kernel: usize,
    stride: usize,
    before: usize,
    after: usize,
) -> usize {
    assert!(stride > 0, "a stride is at least 1");
    assert!(kernel > 0, "a window has at least one row and one column");
    assert!(before < kernel && after < kernel, "padding must be smaller than the window");
    assert!(kernel <= input + before + after, "the window must fit on the padded input");
    (input + before + after - kernel) / stride + 1
}
