//! Zeros around an image, for windows whose padding differs between its sides.

use std::fmt;

use super::{Backward, Context, Gradients, Layer, Shape};
use crate::learn::export::Export;
use crate::learn::graph::{Graph, Value};

/// Rows of zeros above and below, columns of zeros left and right. What reads it takes it in when
/// the model is converted: a convolution, an average pooling, or a max pooling behind a ReLU.
#[derive(Clone, Debug)]
pub struct ZeroPad2d {
    /// Vertical, horizontal.
    pub before: [usize; 2],
    pub after: [usize; 2],
}

impl ZeroPad2d {
    fn padded(&self, [_, height, width]: [usize; 3]) -> [usize; 2] {
        [self.before[0] + height + self.after[0], self.before[1] + width + self.after[1]]
    }

    /// For every row of the output the row of the input, none in the padding.
    fn table(&self, image: [usize; 3]) -> Vec<Option<usize>> {
        let [channels, height, width] = image;
        let [rows, columns] = self.padded(image);
        let mut table = Vec::with_capacity(channels * rows * columns);
        for channel in 0..channels {
            for row in 0..rows {
                for column in 0..columns {
                    let y = row.checked_sub(self.before[0]).filter(|&y| y < height);
                    let x = column.checked_sub(self.before[1]).filter(|&x| x < width);
                    table.push(y.zip(x).map(|(y, x)| (channel * height + y) * width + x));
                }
            }
        }
        table
    }
}

impl Layer for ZeroPad2d {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let image = inputs[0].image()?;
        let [height, width] = self.padded(image);
        Ok(Shape::Image([image[0], height, width]))
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let image = context.shapes[0].image().expect("has been checked");
        let table = self.table(image);
        let y = graph.gather_rows(&context.inputs[0], &table);
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            Gradients::of_input(wanted[0].then(|| {
                // Every row of the input stands in one place of the output.
                let mut places = vec![None; image.iter().product()];
                for (place, row) in table.iter().enumerate() {
                    if let Some(row) = row {
                        places[*row] = Some(place);
                    }
                }
                graph.gather_rows(dy, &places)
            }))
        });
        (y, backward)
    }

    fn export(
        &self,
        export: &mut Export,
        inputs: &[&str],
        _parameters: &[&[f32]],
        _shapes: &[Shape],
    ) -> String {
        let [top, left] = self.before.map(|size| size as i64);
        let [bottom, right] = self.after.map(|size| size as i64);
        let pads = export.tensor("pads", &[8], &[0, 0, top, left, 0, 0, bottom, right]);
        export.node("Pad", &[inputs[0], &pads], &[])
    }
}

impl fmt::Display for ZeroPad2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([top, left], [bottom, right]) = (self.before, self.after);
        write!(f, "zero_pad2d {top} {left} {bottom} {right}")
    }
}
