//! Where the windows of a convolution or a pooling lie on their input.

use core::fmt;

use crate::layers::Geometry;

/// The window of a two-dimensional operator: everything about it but the sizes of its input and
/// its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width of the window, in taps.
    pub kernel: [usize; 2],
    /// Rows and columns from one window to the next.
    pub stride: [usize; 2],
    /// Rows and columns from one tap of a window to the next.
    pub dilation: [usize; 2],
    /// Rows and columns of padding: top, left, bottom, right, as in ONNX's `pads`.
    pub padding: [usize; 4],
}

/// Rows or columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// From top to bottom.
    Rows,
    /// From left to right.
    Columns,
}

/// The taps of one window that lie on the input, along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first of them, as a tap of the window.
    pub kernel: usize,
    /// Its position on the input; the next tap's is `dilation` further.
    pub input: usize,
    /// How many taps.
    pub len: usize,
}

/// Of rows and of columns of windows the first that lies on the input, and how many do. Those in
/// between both lie on it, the others reach beyond some side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interior {
    pub rows: [usize; 2],
    pub columns: [usize; 2],
}

impl Interior {
    /// Whether the window at row `oy` and column `ox` lies on the input.
    #[cfg_attr(not(kernels), allow(dead_code))]
    #[inline(always)]
    pub(crate) const fn contains(&self, oy: usize, ox: usize) -> bool {
        oy.wrapping_sub(self.rows[0]) < self.rows[1]
            && ox.wrapping_sub(self.columns[0]) < self.columns[1]
    }

    /// The first and the number of the windows of row `oy` that lie on the input.
    #[cfg_attr(not(kernels = "mve"), allow(dead_code))]
    #[inline(always)]
    pub(crate) const fn columns_of(&self, oy: usize) -> [usize; 2] {
        if oy.wrapping_sub(self.rows[0]) < self.rows[1] { self.columns } else { [0, 0] }
    }
}

/// What is wrong with a [`Window`], or does not fit its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowError {
    /// A kernel, a stride or a dilation is 0.
    Empty,
    /// One side is padded by as much as a window spans, or more: a window would lie on nothing
    /// but padding.
    Padding,
    /// The window spans more than the padded input has.
    TooLarge,
}

impl WindowError {
    const fn message(self) -> &'static str {
        match self {
            Self::Empty => "kernel, stride and dilation must be at least 1",
            Self::Padding => "padding must be smaller than the window",
            Self::TooLarge => "the window must fit on the padded input",
        }
    }
}

impl fmt::Display for WindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for WindowError {}

/// The window along one axis.
#[derive(Clone, Copy)]
struct Along {
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    after: usize,
}

impl Along {
    /// Positions from a window's first tap to its last, both counted. A kernel of 0 spans 0, and
    /// what no `usize` can hold the largest.
    const fn extent(self) -> usize {
        match self.kernel.checked_sub(1) {
            Some(steps) => steps.saturating_mul(self.dilation).saturating_add(1),
            None => 0,
        }
    }

    const fn output_size(self, input: usize) -> Result<usize, WindowError> {
        if self.kernel == 0 || self.stride == 0 || self.dilation == 0 {
            return Err(WindowError::Empty);
        }
        let extent = self.extent();
        if self.before >= extent || self.after >= extent {
            return Err(WindowError::Padding);
        }
        let padded = input.saturating_add(self.before).saturating_add(self.after);
        match padded.checked_sub(extent) {
            Some(free) => Ok(free / self.stride + 1),
            None => Err(WindowError::TooLarge),
        }
    }

    /// The first of `outputs` windows that lies on the input, and how many do.
    const fn interior(self, input: usize, outputs: usize) -> [usize; 2] {
        // No window has a stride of 0; nothing here may panic if one had.
        let stride = if self.stride == 0 { 1 } else { self.stride };
        let first = self.before.div_ceil(stride);
        let Some(free) = (input + self.before).checked_sub(self.extent()) else { return [0, 0] };
        let end = free / stride + 1;
        let end = if end < outputs { end } else { outputs };
        [first, end.saturating_sub(first)]
    }

    /// Positions behind the input that the last of `outputs` windows reaches.
    const fn beyond(self, input: usize, outputs: usize) -> usize {
        let last = outputs.saturating_sub(1).saturating_mul(self.stride);
        let end = last.saturating_add(self.extent());
        end.saturating_sub(input.saturating_add(self.before))
    }
}

impl Window {
    /// Windows of `kernel` (height and width), one pixel from each other, without padding.
    pub const fn new(kernel: [usize; 2]) -> Self {
        Self { kernel, stride: [1, 1], dilation: [1, 1], padding: [0; 4] }
    }

    /// Windows of `kernel` (height and width) that touch without overlapping, as poolings have
    /// them, without padding.
    pub const fn tiling(kernel: [usize; 2]) -> Self {
        Self { stride: kernel, ..Self::new(kernel) }
    }

    /// Windows of `kernel` (height and width) that move as `G` says.
    pub const fn of<G: Geometry>(kernel: [usize; 2]) -> Self {
        Self { kernel, stride: G::STRIDE, dilation: G::DILATION, padding: G::PADDING }
    }

    const fn along(&self, axis: Axis) -> Along {
        let Self { kernel, stride, dilation, padding: [top, left, bottom, right] } = *self;
        match axis {
            Axis::Rows => Along {
                kernel: kernel[0],
                stride: stride[0],
                dilation: dilation[0],
                before: top,
                after: bottom,
            },
            Axis::Columns => Along {
                kernel: kernel[1],
                stride: stride[1],
                dilation: dilation[1],
                before: left,
                after: right,
            },
        }
    }

    /// Taps of a window.
    pub const fn area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Rows and columns from a window's first tap to its last, both counted: the kernel's size
    /// where taps lie side by side.
    pub const fn extent(&self) -> [usize; 2] {
        [self.along(Axis::Rows).extent(), self.along(Axis::Columns).extent()]
    }

    /// Whether some side is padded.
    pub const fn is_padded(&self) -> bool {
        !matches!(self.padding, [0, 0, 0, 0])
    }

    /// Rows and columns of windows on an input of `[height, width]`, as ONNX counts them: the
    /// last incomplete window is left out.
    ///
    /// # Errors
    ///
    /// If a kernel, a stride or a dilation is 0, if the padding of one side is as large as the
    /// window, or if the window is larger than the padded input.
    pub const fn checked_output_size(
        &self,
        [height, width]: [usize; 2],
    ) -> Result<[usize; 2], WindowError> {
        let rows = self.along(Axis::Rows).output_size(height);
        let columns = self.along(Axis::Columns).output_size(width);
        match (rows, columns) {
            (Ok(rows), Ok(columns)) => Ok([rows, columns]),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// The same for layers, which ask at compile time.
    ///
    /// # Panics
    ///
    /// Where [`Window::checked_output_size`] gives an error.
    pub const fn output_size(&self, input: [usize; 2]) -> [usize; 2] {
        match self.checked_output_size(input) {
            Ok(output) => output,
            Err(error) => panic!("{}", error.message()),
        }
    }

    /// The window without the padding at the bottom and at the right that none of the windows of
    /// an `output` of `[height, width]` reaches, on an `input` of `[height, width]`.
    pub const fn trimmed(self, input: [usize; 2], output: [usize; 2]) -> Self {
        let [top, left, ..] = self.padding;
        let bottom = self.along(Axis::Rows).beyond(input[0], output[0]);
        let right = self.along(Axis::Columns).beyond(input[1], output[1]);
        Self { padding: [top, left, bottom, right], ..self }
    }

    /// Whether all windows of an `output` of `[height, width]` lie on the `input` of
    /// `[height, width]`, so that none covers padding.
    pub const fn lies_inside(&self, input: [usize; 2], output: [usize; 2]) -> bool {
        !self.trimmed(input, output).is_padded()
    }

    /// The windows of an `output` of `[height, width]` that lie on an `input` of `[height, width]`.
    pub(crate) const fn interior(&self, input: [usize; 2], output: [usize; 2]) -> Interior {
        Interior {
            rows: self.along(Axis::Rows).interior(input[0], output[0]),
            columns: self.along(Axis::Columns).interior(input[1], output[1]),
        }
    }

    /// The part of window number `index` along `axis` that lies on an input of `size` positions.
    #[inline(always)]
    pub const fn span(&self, axis: Axis, index: usize, size: usize) -> Span {
        let Along { kernel, stride, dilation, before, .. } = self.along(axis);
        let start = index * stride;
        let outside = before.saturating_sub(start);
        let input = start.saturating_sub(before);
        if dilation == 1 {
            let inside = kernel.saturating_sub(outside);
            let room = size.saturating_sub(input);
            let len = if inside < room { inside } else { room };
            return Span { kernel: outside, input, len };
        }
        dilated_span([kernel, dilation], [outside, input, size])
    }

    /// The position on an input of `size` positions that tap `tap` of window number `index` covers
    /// along `axis`; `None` on the padding.
    #[inline]
    pub const fn position(
        &self,
        axis: Axis,
        index: usize,
        tap: usize,
        size: usize,
    ) -> Option<usize> {
        let Along { stride, dilation, before, .. } = self.along(axis);
        match (index * stride + tap * dilation).checked_sub(before) {
            Some(position) if position < size => Some(position),
            _ => None,
        }
    }
}

/// [`Window::span`] of a window that starts `outside` positions in front of the input, or else at
/// `input`. Without a division, which small cores do not have.
#[inline(never)]
const fn dilated_span(
    [kernel, dilation]: [usize; 2],
    [outside, mut input, size]: [usize; 3],
) -> Span {
    let (mut first, mut skipped) = (0, 0);
    while skipped < outside && first < kernel {
        skipped += dilation;
        first += 1;
    }
    if outside > 0 {
        input = skipped.saturating_sub(outside);
    }
    let (mut len, mut next) = (0, input);
    while first + len < kernel && next < size {
        next += dilation;
        len += 1;
    }
    Span { kernel: first, input, len }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every tap on its own.
    fn taps(window: &Window, axis: Axis, index: usize, size: usize) -> std::vec::Vec<[usize; 2]> {
        let kernel = window.along(axis).kernel;
        (0..kernel)
            .filter_map(|tap| window.position(axis, index, tap, size).map(|at| [tap, at]))
            .collect()
    }

    #[test]
    fn spans_are_the_taps_that_lie_on_the_input() {
        for kernel in 1..=4 {
            for stride in 1..=3 {
                for dilation in 1..=3 {
                    for before in 0..4 {
                        for size in 1..=9 {
                            let window = Window {
                                kernel: [kernel, 1],
                                stride: [stride, 1],
                                dilation: [dilation, 1],
                                padding: [before, 0, before / 2, 0],
                            };
                            let Ok([outputs, _]) = window.checked_output_size([size, 1]) else {
                                continue;
                            };
                            let interior = window.interior([size, 1], [outputs, 1]);
                            let mut all = 0;
                            for index in 0..outputs {
                                let want = taps(&window, Axis::Rows, index, size);
                                let span = window.span(Axis::Rows, index, size);
                                let got: std::vec::Vec<_> = (0..span.len)
                                    .map(|i| [span.kernel + i, span.input + i * dilation])
                                    .collect();
                                assert_eq!(got, want, "{window:?} window {index} on {size}");
                                assert_eq!(interior.contains(index, 0), want.len() == kernel);
                                all += want.len();
                            }
                            let inside = all == outputs * kernel;
                            assert_eq!(
                                window.lies_inside([size, 1], [outputs, 1]),
                                inside,
                                "{window:?} on {size}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn sizes_are_those_of_onnx() {
        let window = Window { padding: [1, 1, 0, 2], dilation: [2, 1], ..Window::new([3, 3]) };
        assert_eq!(window.extent(), [5, 3]);
        assert_eq!(window.checked_output_size([4, 4]), Ok([1, 5]));
        let refused = |window: Window, size| window.checked_output_size(size).unwrap_err();
        assert_eq!(refused(window, [3, 4]), WindowError::TooLarge);
        let padding = Window { padding: [5, 0, 0, 0], ..window };
        assert_eq!(refused(padding, [9, 9]), WindowError::Padding);
        for empty in [
            Window { kernel: [0, 1], ..window },
            Window { stride: [1, 0], ..window },
            Window { dilation: [0, 1], ..window },
        ] {
            assert_eq!(refused(empty, [9, 9]), WindowError::Empty);
        }
        let huge = Window { dilation: [usize::MAX; 2], ..Window::new([3, 3]) };
        assert_eq!(refused(huge, [9, 9]), WindowError::TooLarge);
    }

    #[test]
    fn padding_that_no_window_reaches_is_trimmed() {
        let window = Window { stride: [2, 2], padding: [1; 4], ..Window::new([3, 3]) };
        assert_eq!(window.trimmed([28, 27], [14, 14]).padding, [1, 1, 0, 1]);
    }
}
