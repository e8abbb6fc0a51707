//! Convolution by the backend's own operator, on the batch as one long picture
//! ([`Graph::convolution`]).
//!
//! A window that skips pixels is taken apart: with a stride of 2 the even and the odd rows and columns
//! are four images, the *phases*, each of them under a part of the window's taps, whose stride is 1; the
//! output is their sum.

use super::{Conv2d, products};
use crate::learn::backend::Kind;
use crate::learn::graph::{Graph, Value};
use crate::learn::network::{Backward, Context, Gradients, Window};

/// An image of its own, with stride 1, and the taps of the whole window that slide over it.
struct Phase {
    /// Channels, height and width.
    image: [usize; 3],
    /// Where row and column 0 lie in the whole image with its padding, and how far the next are.
    first: [usize; 2],
    step: [usize; 2],
    window: Window,
    /// Rows and columns of the whole window.
    taps: [Vec<usize>; 2],
}

impl Phase {
    /// All of a convolution, whose stride is 1 or whose dilation is.
    fn all(conv: &Conv2d, [channels, height, width]: [usize; 3], output: [usize; 2]) -> Vec<Self> {
        let Window { kernel, stride, .. } = conv.window;
        if stride == [1, 1] {
            return vec![Self {
                image: [channels, height, width],
                first: [0, 0],
                step: [1, 1],
                window: conv.window,
                taps: kernel.map(|taps| (0..taps).collect()),
            }];
        }
        let mut phases = Vec::new();
        for row in 0..stride[0].min(kernel[0]) {
            for column in 0..stride[1].min(kernel[1]) {
                let taps = [
                    (row..kernel[0]).step_by(stride[0]).collect::<Vec<_>>(),
                    (column..kernel[1]).step_by(stride[1]).collect(),
                ];
                let window = Window::new([taps[0].len(), taps[1].len()]);
                let [rows, columns] = [0, 1].map(|axis| output[axis] + taps[axis].len() - 1);
                phases.push(Self {
                    image: [channels, rows, columns],
                    first: [row, column],
                    step: stride,
                    window,
                    taps,
                });
            }
        }
        phases
    }

    /// For each pixel of the phase the row of the whole image `[C·H·W, B]`, or `None` in its padding.
    fn table(&self, window: &Window, [_, height, width]: [usize; 3]) -> Vec<Option<usize>> {
        let place = |index: usize, axis: usize, size: usize| {
            let place = self.first[axis] + index * self.step[axis];
            place.checked_sub(window.padding[axis]).filter(|&place| place < size)
        };
        let [channels, rows, columns] = self.image;
        let mut table = Vec::with_capacity(channels * rows * columns);
        for channel in 0..channels {
            for row in 0..rows {
                for column in 0..columns {
                    let place = place(row, 0, height).zip(place(column, 1, width));
                    table.push(place.map(|(y, x)| (channel * height + y) * width + x));
                }
            }
        }
        table
    }

    /// The phase's taps of `weight: [O, C / groups, rows, columns]`.
    fn weight(&self, graph: &mut Graph, weight: &Value) -> Value {
        let &[out, inner, rows, columns] = weight.shape() else { unreachable!("is a filter") };
        if [rows, columns] == self.window.kernel {
            return weight.clone();
        }
        let mut places = Vec::new();
        for filter in 0..out * inner {
            for row in &self.taps[0] {
                for column in &self.taps[1] {
                    places.push((filter * rows + row) * columns + column);
                }
            }
        }
        let [rows, columns] = self.window.kernel;
        elements(graph, weight, &places, [out, inner, rows, columns])
    }
}

/// Elements of `weight`, at `places` of it as one vector.
fn elements(graph: &mut Graph, weight: &Value, places: &[usize], shape: [usize; 4]) -> Value {
    let flat = graph.reshape(weight, &[weight.elements(), 1]);
    let table: Vec<Option<usize>> = places.iter().copied().map(Some).collect();
    let picked = graph.gather_rows(&flat, &table);
    graph.reshape(&picked, &shape)
}

pub(super) fn forward<'a>(
    conv: &'a Conv2d,
    graph: &mut Graph,
    context: &Context,
) -> (Value, Backward<'a>) {
    let (image, output) = conv.sizes(context.shapes[0]).expect("has been checked");
    let (batch, out, groups) = (graph.batch(), conv.out_channels, conv.groups);
    let positions = output[0] * output[1];
    let phases = Phase::all(conv, image, output);
    let mut bias = context.parameters.get(1);
    let unit = conv.window.stride == [1, 1];
    let whole =
        if unit { context.inputs[0].clone() } else { graph.with_zero_row(&context.inputs[0]) };
    let mut sum = None;
    let mut parts = Vec::new();
    for phase in phases {
        let x = match unit {
            true => whole.clone(),
            false => {
                let table = phase.table(&conv.window, image);
                graph.gather_rows_or(&whole, &table, whole.shape()[0] - 1)
            }
        };
        let weight = phase.weight(graph, &context.parameters[0]);
        let y = graph.convolution(&x, phase.image, (&weight, bias.take()), &phase.window, groups);
        sum = Some(match sum {
            Some(sum) => graph.add(&sum, &y),
            None => y,
        });
        parts.push((phase, x, weight));
    }
    let y = sum.expect("a window has a tap");

    let shapes = super::shapes(context);
    let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
        let mut taps = vec![None; conv.window.area()];
        for (phase, x, _) in &parts {
            let x = graph.padded(x, phase.image, phase.window.padding);
            for (row, place) in phase.taps[0].iter().enumerate() {
                for (column, at) in phase.taps[1].iter().enumerate() {
                    let [down, along] = phase.window.dilation;
                    let seen = graph.part(&x, [row * down, column * along], output);
                    let tap = of_tap(graph, conv, dy, &seen);
                    taps[place * conv.window.kernel[1] + at] = Some(tap);
                }
            }
        }
        let taps: Vec<Value> = taps.into_iter().flatten().collect();
        let d_weight = graph.concat_along(1, &taps);
        let dy_rows = graph.reshape(dy, &[out, positions * batch]);
        let parameters = super::of_parameters(graph, &dy_rows, d_weight, &shapes);
        let input = wanted[0].then(|| of_image(graph, conv, &parts, dy, image, output));
        Gradients { inputs: vec![input], parameters }
    });
    (y, backward)
}

/// The gradient of one tap of all filters, `[O·C / groups, 1]`, where the tap sees the part `seen:
/// [C, rows, columns·B]` of the image.
fn of_tap(graph: &mut Graph, conv: &Conv2d, dy: &Value, seen: &Value) -> Value {
    let &[channels, rows, columns] = seen.shape() else { unreachable!("is an image") };
    if [channels, conv.out_channels] == [conv.groups; 2] {
        let dy = graph.reshape(dy, &[channels, rows, columns]);
        let products = graph.mul(&dy, seen);
        // Rows first: sums of whole rows are fast.
        let sums = graph.reduce_sum(&products, 1);
        let sums = graph.reduce_sum(&sums, 2);
        return graph.reshape(&sums, &[channels, 1]);
    }
    let dy = graph.reshape(dy, &[conv.out_channels, rows * columns]);
    let seen = graph.reshape(seen, &[channels, rows * columns]);
    let tap = products(graph, conv.groups, (&dy, false), (&seen, true));
    graph.reshape(&tap, &[tap.elements(), 1])
}

/// The gradient of the image, from that of the output.
fn of_image(
    graph: &mut Graph,
    conv: &Conv2d,
    parts: &[(Phase, Value, Value)],
    dy: &Value,
    image: [usize; 3],
    output: [usize; 2],
) -> Value {
    if let ([1, 1], [(phase, _, weight)]) = (conv.window.stride, parts) {
        return of_phase(graph, conv, phase, weight, dy, output);
    }
    let (mut of_phases, mut start) = (Vec::new(), 0);
    let mut table = vec![None; image.iter().product()];
    for (phase, _, weight) in parts {
        of_phases.push(of_phase(graph, conv, phase, weight, dy, output));
        let places = phase.table(&conv.window, image);
        for (place, pixel) in places.iter().enumerate() {
            if let Some(pixel) = pixel {
                table[*pixel] = Some(start + place);
            }
        }
        start += places.len();
    }
    of_phases.push(graph.zero_row(dy.shape()[1]));
    let phases = graph.concat(&of_phases);
    graph.gather_rows_or(&phases, &table, start)
}

/// The gradient of a phase's image: ONNX's transposed convolution, or the same as a convolution of `dy`
/// by the filters turned upside down, which tract is faster at.
fn of_phase(
    graph: &mut Graph,
    conv: &Conv2d,
    phase: &Phase,
    weight: &Value,
    dy: &Value,
    output: [usize; 2],
) -> Value {
    let (out, groups) = (conv.out_channels, conv.groups);
    let [channels, ..] = phase.image;
    let Window { kernel, dilation, padding: [top, left, bottom, right], .. } = phase.window;
    let reach = [0, 1].map(|axis| (kernel[axis] - 1) * dilation[axis]);
    let padding = [(0, top), (1, left), (0, bottom), (1, right)]
        .map(|(axis, padding)| reach[axis].checked_sub(padding));
    let (Kind::Tract, [Some(top), Some(left), Some(bottom), Some(right)]) =
        (graph.backend(), padding)
    else {
        return graph.transposed_convolution(dy, phase.image, weight, &phase.window, groups);
    };
    let (each_in, each_out) = (channels / groups, out / groups);
    let mut places = Vec::new();
    for channel in 0..channels {
        for filter in 0..each_out {
            let filter = channel / each_in * each_out + filter;
            let start = (filter * each_in + channel % each_in) * kernel[0] * kernel[1];
            places.extend((start..start + kernel[0] * kernel[1]).rev());
        }
    }
    let turned = elements(graph, weight, &places, [channels, each_out, kernel[0], kernel[1]]);
    let window = Window { padding: [top, left, bottom, right], ..phase.window };
    graph.convolution(dy, [out, output[0], output[1]], (&turned, None), &window, groups)
}
