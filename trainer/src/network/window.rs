//! The windows that convolution and pooling slide over an image.

use super::Shape;

/// A window: its size, its step, and the zeros around the image. Every pair is vertical, horizontal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Rows of zeros above and below, columns of zeros left and right.
    pub padding: [usize; 2],
}

impl Window {
    /// A square window that moves by `stride`, without padding.
    pub fn square(kernel: usize, stride: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2], padding: [0; 2] }
    }

    pub fn padded(self, padding: usize) -> Self {
        Self { padding: [padding; 2], ..self }
    }

    /// Elements of the window.
    pub fn area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Height and width of the output, or what does not fit.
    pub fn output_size(&self, height: usize, width: usize) -> Result<[usize; 2], String> {
        let [kernel, stride, padding] = [self.kernel, self.stride, self.padding];
        if kernel.contains(&0) || stride.contains(&0) {
            return Err("kernel and stride must be at least 1".to_string());
        }
        if (0..2).any(|axis| padding[axis] >= kernel[axis]) {
            return Err("padding must be smaller than the kernel".to_string());
        }
        let size = |axis: usize, input: usize| {
            let room = input + 2 * padding[axis];
            room.checked_sub(kernel[axis]).map(|free| free / stride[axis] + 1)
        };
        match (size(0, height), size(1, width)) {
            (Some(height), Some(width)) => Ok([height, width]),
            _ => Err(format!(
                "a {}×{} window does not fit into {height}×{width} with padding {}×{}",
                kernel[0], kernel[1], padding[0], padding[1]
            )),
        }
    }

    /// The channels, height and width of an image shape, or a request for one.
    pub fn image(input: Shape) -> Result<[usize; 3], String> {
        match input {
            Shape::Image(sizes) => Ok(sizes),
            Shape::Flat(size) => Err(format!(
                "needs an image, but gets {size} flat values; it must come before flatten"
            )),
        }
    }

    /// Along one axis (0 vertical, 1 horizontal): the input position under element `element` of
    /// the window at output `output`, or `None` in the padding.
    pub fn along(&self, axis: usize, output: usize, element: usize, size: usize) -> Option<usize> {
        (output * self.stride[axis] + element)
            .checked_sub(self.padding[axis])
            .filter(|&position| position < size)
    }
}
