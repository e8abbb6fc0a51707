//! How a layer computes some of its rows.

use firmware_core::Window;

use crate::emit::rust::Types;

/// One of the windows that a layer moves over its input, along the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowWindow {
    pub stride: usize,
    /// Rows from a window's first to its last, both counted.
    pub extent: usize,
    /// Rows of padding above.
    pub top: usize,
    /// Rows of what the window moves over.
    pub height: usize,
}

impl RowWindow {
    pub fn new(window: &Window, height: usize) -> Self {
        let (stride, extent) = (window.stride[0], window.extent()[0]);
        Self { stride, extent, top: window.padding[0], height }
    }
}

/// What the generated code calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A method that writes rows of the output: the call's beginning, up to the arguments for inputs
    /// and output.
    Rows(String),
    /// A layer that adds all pixels of each channel; and then makes its output of the sums.
    Sums(String),
}

/// How a layer computes some of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowForm {
    /// From the input on: a convolution's and that of the pooling behind it.
    pub windows: Vec<RowWindow>,
    /// The kernel takes four pixels at a time, in the order of memory.
    pub tiled: bool,
    pub call: Call,
}

impl RowForm {
    /// A layer with a window and a method `forward_rows`.
    pub fn window(types: &Types, layer: &str, window: &Window) -> Self {
        let windows = vec![RowWindow::new(window, types.input().height)];
        Self { windows, tiled: false, call: Call::Rows(format!("{layer}.forward_rows(")) }
    }

    /// A layer that computes each pixel of its output from the same pixel of its inputs.
    pub fn pixelwise(types: &Types, layer: &str) -> Self {
        Self::window(types, layer, &Window::new([1, 1]))
    }

    /// A pooling: if its window covers the whole input, its sums need no rows to be kept.
    pub fn average(types: &Types, layer: &str, window: &Window) -> Self {
        let (input, form) = (types.input(), Self::window(types, layer, window));
        if window.kernel != [input.height, input.width]
            || window.is_padded()
            || window.dilation != [1; 2]
        {
            return form;
        }
        // Each row is read once and then done with.
        let row = Window::new([1, 1]);
        Self { call: Call::Sums(layer.into()), ..Self::window(types, layer, &row) }
    }

    /// The first row of the input that output row `row` and those behind it need.
    pub fn first_needed(&self, row: usize) -> usize {
        let back =
            |row: usize, window: &RowWindow| (row * window.stride).saturating_sub(window.top);
        self.windows.iter().rev().fold(row, back)
    }

    /// How many rows of the input the first `rows` rows of the output need; at least one of them.
    pub fn needed(&self, rows: usize) -> usize {
        let back = |rows: usize, window: &RowWindow| {
            let end = rows.saturating_sub(1) * window.stride + window.extent;
            end.saturating_sub(window.top).min(window.height)
        };
        self.windows.iter().rev().fold(rows, back)
    }

    /// [`RowForm::first_needed`] of the row `row`, as Rust writes it.
    pub fn first_needed_rust(&self, row: &str) -> String {
        // Clamping after each window is clamping once.
        let (stride, top) = self.windows.iter().rev().fold((1, 0), |(stride, top), window| {
            (stride * window.stride, top * window.stride + window.top)
        });
        match (stride, top) {
            (1, 0) => row.into(),
            (1, top) => format!("{row}.saturating_sub({top})"),
            (stride, 0) => format!("{row} * {stride}"),
            (stride, top) => format!("({row} * {stride}).saturating_sub({top})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A convolution of 3 rows at stride 2 with padding, and a pooling of 2 rows behind it.
    #[test]
    fn two_windows_in_a_row() {
        let windows = vec![
            RowWindow { stride: 2, extent: 3, top: 1, height: 9 },
            RowWindow { stride: 2, extent: 2, top: 0, height: 5 },
        ];
        let form = RowForm { windows, tiled: false, call: Call::Rows(String::new()) };
        // Convolved rows 0 and 1 read input rows -1 to 3, rows 2 and 3 read 3 to 7.
        assert_eq!([0, 1].map(|row| form.first_needed(row)), [0, 3]);
        assert_eq!([1, 2].map(|rows| form.needed(rows)), [4, 8]);
        assert_eq!(form.first_needed_rust("n"), "(n * 4).saturating_sub(1)");
    }
}
