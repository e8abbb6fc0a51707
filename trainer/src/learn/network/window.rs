//! The windows that convolution and pooling slide over an image.

pub use firmware_core::Window;
use firmware_core::{Axis, WindowError};

use super::Shape;

/// The image's sizes, and height and width of what pooling leaves of it.
///
/// # Errors
///
/// Padding, flat values, or a window that does not fit.
pub(super) fn pooled(window: &Window, input: Shape) -> Result<([usize; 3], [usize; 2]), String> {
    if window.is_padded() {
        return Err("pooling takes no padding".to_string());
    }
    let image = input.image()?;
    Ok((image, output_size(window, [image[1], image[2]])?))
}

/// Height and width of the output, or what does not fit.
pub(super) fn output_size(
    window: &Window,
    [height, width]: [usize; 2],
) -> Result<[usize; 2], String> {
    window.checked_output_size([height, width]).map_err(|error| match error {
        WindowError::TooLarge => format!(
            "a {}×{} window does not fit into {height}×{width} with padding {}",
            window.kernel[0],
            window.kernel[1],
            shown_padding(window)
        ),
        error => error.to_string(),
    })
}

/// For every element of the window, for every channel and output position, the row of
/// `[C·H·W, B]` that it looks at.
pub(super) fn pooling_table(
    window: &Window,
    [channels, height, width]: [usize; 3],
    output: [usize; 2],
) -> Vec<Option<usize>> {
    let mut table = Vec::new();
    for row in 0..window.kernel[0] {
        for column in 0..window.kernel[1] {
            for channel in 0..channels {
                for y in 0..output[0] {
                    for x in 0..output[1] {
                        let y = window.position(Axis::Rows, y, row, height);
                        let x = window.position(Axis::Columns, x, column, width);
                        table.push(y.zip(x).map(|(y, x)| (channel * height + y) * width + x));
                    }
                }
            }
        }
    }
    table
}

/// Kernel and stride as a pooling layer shows them: a stride of the kernel goes without saying.
pub(super) fn shown_as_pooling(window: &Window) -> String {
    let Window { kernel, stride, .. } = window;
    match kernel == stride {
        true => format!("{}×{}", kernel[0], kernel[1]),
        false => format!("{}×{} stride {}×{}", kernel[0], kernel[1], stride[0], stride[1]),
    }
}

/// Rows × columns where both sides have the same, else all four sides.
pub(super) fn shown_padding(window: &Window) -> String {
    match window.padding {
        [top, left, bottom, right] if [top, left] == [bottom, right] => format!("{top}×{left}"),
        [top, left, bottom, right] => format!("{top} {left} {bottom} {right}"),
    }
}
