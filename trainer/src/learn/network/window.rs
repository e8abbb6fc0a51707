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

    /// The image's sizes, and height and width of what pooling leaves of it.
    ///
    /// # Errors
    ///
    /// Padding, flat values, or a window that does not fit.
    pub fn pooled(&self, input: Shape) -> Result<([usize; 3], [usize; 2]), String> {
        if self.padding != [0, 0] {
            return Err("pooling takes no padding".to_string());
        }
        let image = Self::image(input)?;
        Ok((image, self.output_size(image[1], image[2])?))
    }

    /// For every element of the window, for every channel and output position, the row of
    /// `[C·H·W, B]` that it looks at.
    pub fn pooling_table(
        &self,
        [channels, height, width]: [usize; 3],
        output: [usize; 2],
    ) -> Vec<Option<usize>> {
        let mut table = Vec::new();
        for row in 0..self.kernel[0] {
            for column in 0..self.kernel[1] {
                for channel in 0..channels {
                    for y in 0..output[0] {
                        for x in 0..output[1] {
                            let y = self.along(0, y, row, height);
                            let x = self.along(1, x, column, width);
                            table.push(y.zip(x).map(|(y, x)| (channel * height + y) * width + x));
                        }
                    }
                }
            }
        }
        table
    }

    /// Kernel and stride as a pooling layer shows them: a stride of the kernel goes without saying.
    pub fn shown_as_pooling(&self) -> String {
        let Window { kernel, stride, .. } = self;
        match kernel == stride {
            true => format!("{}×{}", kernel[0], kernel[1]),
            false => format!("{}×{} stride {}×{}", kernel[0], kernel[1], stride[0], stride[1]),
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
