//! The channels of several images or the elements of several vectors, one after the other, as in a dense block (Huang et al., "Densely
//! Connected Convolutional Networks").

use std::fmt;

use super::{Backward, Context, Gradients, Layer, Shape};
use crate::learn::export::{Export, int};
use crate::learn::graph::{Graph, Value};

/// Two or more images of one height and width, joined along the channels; or vectors.
#[derive(Clone, Debug)]
pub struct Concat;

impl Layer for Concat {
    fn joins(&self) -> bool {
        true
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let flat = |input: &Shape| matches!(input, Shape::Flat(_));
        if inputs.iter().all(flat) {
            return Ok(Shape::Flat(inputs.iter().map(|input| input.elements()).sum()));
        }
        if let Some(vector) = inputs.iter().find(|input| flat(input)) {
            return Err(format!(
                "joins images with {vector} flat values; flatten all of what it reads, or nothing"
            ));
        }
        let [mut channels, height, width] = inputs[0].image()?;
        for &input in &inputs[1..] {
            let image = input.image()?;
            if image[1..] != [height, width] {
                return Err(format!(
                    "joins images of one height and width, but gets {} and {input}",
                    inputs[0]
                ));
            }
            channels += image[0];
        }
        Ok(Shape::Image([channels, height, width]))
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        // The channel is the outermost part of a row's number.
        let y = graph.concat(context.inputs);
        let rows: Vec<usize> = context.shapes.iter().map(|shape| shape.elements()).collect();
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            let mut start = 0;
            let mut inputs = Vec::new();
            for (&rows, &wanted) in rows.iter().zip(wanted) {
                inputs.push(wanted.then(|| graph.slice(dy, start..start + rows)));
                start += rows;
            }
            Gradients { inputs, parameters: Vec::new() }
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
        export.node("Concat", inputs, &[("axis", int(1))])
    }
}

impl fmt::Display for Concat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "concat")
    }
}
