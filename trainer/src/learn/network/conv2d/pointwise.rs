//! Windows of one pixel: the window matrix is the input itself.

use super::{Conv2d, products};
use crate::learn::graph::{Graph, Value};
use crate::learn::network::{Backward, Context, Gradients};

pub(super) fn forward<'a>(
    conv: &'a Conv2d,
    graph: &mut Graph,
    context: &Context,
) -> (Value, Backward<'a>) {
    let ([channels, ..], [height, width]) =
        conv.sizes(context.shapes[0]).expect("has been checked");
    let (batch, out, groups) = (graph.batch(), conv.out_channels, conv.groups);
    let columns = height * width * batch;
    let x = graph.reshape(&context.inputs[0], &[channels, columns]);
    let weight = graph.reshape(&context.parameters[0], &[out, channels / groups]);
    let y = super::weighted(graph, groups, &weight, &x, context);
    let y = graph.reshape(&y, &[out * height * width, batch]);

    let shapes = super::shapes(context);
    let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
        let dy = graph.reshape(dy, &[out, columns]);
        let d_weight = products(graph, groups, (&dy, false), (&x, true));
        let parameters = super::of_parameters(graph, &dy, d_weight, &shapes);
        let input = wanted[0].then(|| {
            let dx = products(graph, groups, (&weight, true), (&dy, false));
            graph.reshape(&dx, &[channels * height * width, batch])
        });
        Gradients { inputs: vec![input], parameters }
    });
    (y, backward)
}
