//! Inference: every layer with shapes that are known now only, through the kernels that generated
//! code calls.

use bytemuck::{must_cast_slice, must_cast_slice_mut};

use super::data::{Parameters, Reader, terms};
use super::format::{Kind, record};
use super::{
    Element, InferError, Layer, Model, SIGNED, Stored, ValueInfo, Values, Watch, check, shapes,
};
use crate::arch::{Chosen, Convolution, Convolving, Target, Weights, Whole};
use crate::kernels::{self, Combine, Conv2dShape};
use crate::window::Interior;
use crate::{Activation, Offset, Product, Requantize, Shift, Term, channels};

/// Does something with the elements of an 8-bit value.
macro_rules! with_elements {
    ($operand:expr, |$x:ident| $body:expr) => {
        match $operand.info.element {
            Element::I8 if K & SIGNED != 0 => {
                let $x: &[i8] = must_cast_slice($operand.bytes);
                $body
            }
            _ => {
                let $x: &[u8] = $operand.bytes;
                $body
            }
        }
    };
}

/// The same with those of a result.
macro_rules! with_result {
    ($result:expr, |$y:ident| $body:expr) => {
        match $result.info.element {
            Element::I8 if K & SIGNED != 0 => {
                let $y: &mut [i8] = must_cast_slice_mut(&mut *$result.bytes);
                $body
            }
            _ => {
                let $y: &mut [u8] = &mut *$result.bytes;
                $body
            }
        }
    };
}

/// The kinds that share the elementwise kernels.
const ELEMENTWISE: u32 = Kind::Mul.bit() | Kind::AffineAdd.bit() | Kind::AffineMul.bit();

/// Whether the program has layers of a kind; where it has not, their code is not linked.
const fn has<const K: u32>(kind: Kind) -> bool {
    K & kind.bit() != 0
}

/// A value that a layer reads.
#[derive(Clone, Copy)]
struct Operand<'m> {
    info: ValueInfo,
    bytes: &'m [u8],
}

/// A value that a layer writes.
struct Output<'m> {
    info: ValueInfo,
    bytes: &'m mut [u8],
}

impl<const K: u32> Model<'_, K> {
    /// The output for one input.
    ///
    /// `input` holds the bytes of the input's elements, `[height][width][channel]`; of signed ones
    /// their two's complement. `arena` is [`Model::arena_words`] words or more; what it holds does not
    /// matter. It is the result's place, too.
    ///
    /// # Errors
    ///
    /// An input of another length, or an arena that is too small. Nothing was computed then.
    pub fn infer<'m>(
        &self,
        input: &[u8],
        arena: &'m mut [u32],
        watch: &mut impl Watch,
    ) -> Result<Values<'m>, InferError> {
        if input.len() != self.input().len() {
            return Err(InferError::Input);
        }
        let [values, scratch] = self.arena;
        let arena = arena.get_mut(..values + scratch).ok_or(InferError::Arena)?;
        let (values, scratch) = arena.split_at_mut_checked(values).ok_or(InferError::Arena)?;
        let scratch = bytemuck::try_cast_slice_mut(scratch).unwrap_or_default();
        let bytes: &mut [u8] = must_cast_slice_mut(values);
        for (index, record) in self.records.iter().enumerate() {
            let Ok(layer) = check::layer(self.words, record) else { continue };
            watch.start(index);
            self.run(&layer, self.of_record(record), input, bytes, scratch);
            watch.end(index, self.values(index, bytes));
        }
        Ok(self.values(self.records.len().wrapping_sub(1), bytes))
    }

    /// What layer number `index` has computed.
    fn values<'m>(&self, index: usize, bytes: &'m [u8]) -> Values<'m> {
        let info = self.value(index + 1);
        let start = self.records.get(index).map_or(0, |words| words[record::OFFSET]);
        let end = start as usize + info.bytes();
        let bytes = bytes.get(start as usize..end).unwrap_or_default();
        match info.element {
            Element::U8 => Values::U8(bytes),
            Element::I8 => Values::I8(must_cast_slice(bytes)),
            Element::I32 => Values::I32(bytemuck::try_cast_slice(bytes).unwrap_or_default()),
        }
    }

    fn run(
        &self,
        layer: &Layer,
        info: ValueInfo,
        input: &[u8],
        bytes: &mut [u8],
        scratch: &mut [[i32; 4]],
    ) {
        let start = layer.offset();
        let end = start + info.bytes();
        let (low, rest) = bytes.split_at_mut_checked(start).unwrap_or_default();
        let (y, high) = rest.split_at_mut_checked(info.bytes()).unwrap_or_default();
        let (low, high) = (&*low, &*high);
        let operand = |n: usize| {
            let value = layer.inputs().nth(n).unwrap_or(0);
            let info = self.value(value);
            let bytes = match value.checked_sub(1).and_then(|layer| self.records.get(layer)) {
                None => Some(input),
                Some(words) => {
                    let at = words[record::OFFSET] as usize;
                    let part = match at < start {
                        true => low.get(at..),
                        false => high.get(at.wrapping_sub(end)..),
                    };
                    // Empty where the result takes its place.
                    Some(part.and_then(|part| part.get(..info.bytes())).unwrap_or_default())
                }
            };
            Operand { info, bytes: bytes.unwrap_or_default() }
        };
        let y = Output { info, bytes: y };
        match layer.kind {
            Kind::Concat if has::<K>(Kind::Concat) => {
                let mut first = 0;
                for n in 0..layer.inputs.len() {
                    let Operand { info: x, bytes } = operand(n);
                    let [height, width, total] = info.shape;
                    let depth = if [height, width] == [1, 1] { x.len() } else { x.shape[2] };
                    kernels::concat(bytes, depth, &mut *y.bytes, total, first);
                    first += depth;
                }
            }
            kind if kind.reads_two() => two::<K>(layer, operand(0), operand(1), y),
            _ => one::<K>(layer, operand(0), y, scratch),
        }
    }
}

/// A layer of one input.
fn one<const K: u32>(layer: &Layer, x: Operand, y: Output, scratch: &mut [[i32; 4]]) {
    let mut data = Reader(layer.data);
    let [first, second] = layer.extra();
    if layer.kind.place().is_some() {
        // What can be done in place is.
        if !layer.in_place() {
            y.bytes.iter_mut().zip(x.bytes).for_each(|(y, x)| *y = *x);
        }
        return in_place::<K>(layer, y);
    }
    let pool = shapes::pool(layer.window(), x.info.shape, y.info.shape);
    match layer.kind {
        Kind::MaxPool2d if !has::<K>(Kind::MaxPool2d) => {}
        Kind::MaxPool2d if K & SIGNED != 0 && x.info.element == Element::I8 => {
            let y = must_cast_slice_mut(y.bytes);
            Chosen::max_pool2d::<i8>(&pool, must_cast_slice(x.bytes), y);
        }
        Kind::MaxPool2d => Chosen::max_pool2d(&pool, x.bytes, y.bytes),
        Kind::AveragePool2d if has::<K>(Kind::AveragePool2d) => {
            let Some(requantize) = data.one_stored() else { return };
            let requantize = Offset::new(first, requantize);
            let by_four = x.info.shape[2] >= 4;
            with_elements!(x, |x| with_result!(y, |y| match by_four {
                true => channels::average_pool2d(&pool, x, requantize, y),
                false => kernels::average_pool2d(&pool, x, requantize, y),
            }));
        }
        Kind::AveragePool2dInside if has::<K>(Kind::AveragePool2dInside) => {
            let Some(requantize) = data.one_stored() else { return };
            let reciprocals = must_cast_slice(data.0);
            with_elements!(x, |x| with_result!(y, |y| {
                kernels::average_pool2d_inside(&pool, x, reciprocals, requantize, y)
            }));
        }
        Kind::MeanPool2d if !has::<K>(Kind::MeanPool2d) => {}
        Kind::MeanPool2d if x.info.element == Element::I8 => {
            let bounds = [first as i8, second as i8];
            let y = must_cast_slice_mut(y.bytes);
            kernels::mean_pool2d(&pool, must_cast_slice(x.bytes), bounds, y);
        }
        Kind::MeanPool2d => {
            kernels::mean_pool2d(&pool, x.bytes, [first as u8, second as u8], y.bytes);
        }
        Kind::Gather if has::<K>(Kind::Gather) => {
            let [height, width, _] = y.info.shape;
            let places: &[u16] = must_cast_slice(data.0);
            let (rows, rest) = places.split_at_checked(height).unwrap_or_default();
            let (columns, rest) = rest.split_at_checked(width).unwrap_or_default();
            // The last word may be filled up.
            let channels = rest.get(..y.info.shape[2]).unwrap_or_default();
            kernels::gather(x.info.shape, [rows, columns, channels], x.bytes, y.bytes);
        }
        Kind::Pad2d if has::<K>(Kind::Pad2d) => {
            let value = layer.padding_value() as u8;
            kernels::pad2d(x.info.shape, layer.window().padding, value, x.bytes, y.bytes);
        }
        _ => {
            let Some(parameters) = Parameters::of(layer, x.info.shape, y.info) else { return };
            with_elements!(x, |elements| {
                weighted::<_, K>(layer, &parameters, (x.info.shape, elements), y, scratch)
            });
        }
    }
}

/// A function of one value, in its place.
fn in_place<const K: u32>(layer: &Layer, y: Output) {
    let mut data = Reader(layer.data);
    let [first, second] = layer.extra();
    match layer.kind {
        Kind::Lookup if has::<K>(Kind::Lookup) => {
            let Some(table) = data.u8s(256).and_then(|table| table.first_chunk()) else { return };
            // Entries stand in the order of the value's bytes, whatever their types.
            kernels::lookup_in_place(table, y.bytes);
        }
        Kind::PRelu if has::<K>(Kind::PRelu) => {
            let channels = y.info.shape[2];
            let (Some(bits), Some(slopes)) = (data.stored(channels), data.i16s(channels)) else {
                return;
            };
            with_result!(y, |y| kernels::prelu_in_place(slopes, bits, y));
        }
        // Nothing else is negative.
        Kind::LeakyRelu if has::<K>(Kind::LeakyRelu) && y.info.element == Element::I8 => {
            let y: &mut [i8] = must_cast_slice_mut(&mut *y.bytes);
            kernels::leaky_relu_in_place(first as u16, Shift::masked(second as u8), y);
        }
        _ => {}
    }
}

/// A function of two values, in the place of one of them or not.
fn two<const K: u32>(layer: &Layer, a: Operand, b: Operand, y: Output) {
    let mut data = Reader(layer.data);
    let [first, second] = layer.extra();
    let terms = match layer.kind {
        Kind::AffineAdd => terms(data.i32s(4).unwrap_or_default()),
        _ => [(0, 0, 0); 2],
    };
    let Some(requantize) = data.one_stored() else { return };
    if layer.kind != Kind::Add && K & ELEMENTWISE == 0 {
        return;
    }
    let function = match layer.kind {
        Kind::Add if has::<K>(Kind::Add) => {
            let bits = [first as u32, second as u32];
            return match layer.in_place() {
                true => with_elements!(a, |a| with_result!(y, |y| {
                    kernels::add_in_place(bits, a, requantize, y)
                })),
                false => with_elements!(a, |a| with_elements!(b, |b| with_result!(y, |y| {
                    kernels::add(bits, a, b, requantize, y)
                }))),
            };
        }
        Kind::Mul => Function::Product(Product::new(requantize)),
        Kind::AffineAdd => {
            let term = |(multiplier, exponent, zero): (i32, i8, i16)| {
                Term::new(multiplier & i32::MAX, exponent.clamp(-31, 0), zero.clamp(-128, 255))
            };
            Function::Sum(terms.map(term), requantize)
        }
        _ => Function::Scale([first, second], requantize),
    };
    match layer.in_place() {
        true => with_elements!(b, |b| with_result!(y, |y| {
            kernels::elementwise_in_place(function, b, y)
        })),
        false => with_elements!(a, |a| with_elements!(b, |b| with_result!(y, |y| {
            kernels::elementwise(function, a, b, y)
        }))),
    }
}

/// What an elementwise layer computes: one type for all, so that the loops are there once.
#[derive(Clone, Copy)]
enum Function {
    Product(Product<Stored>),
    /// [`AffineAdd`](crate::AffineAdd)
    Sum([Term; 2], Stored),
    /// [`AffineMul`](crate::AffineMul)
    Scale([i32; 2], Stored),
}

impl Combine for Function {
    #[inline(always)]
    fn combine(self, a: i32, b: i32) -> i32 {
        match self {
            Self::Product(product) => product.combine(a, b),
            Self::Sum([first, second], requantize) => {
                requantize.apply(first.scaled(a).wrapping_add(second.scaled(b)))
            }
            Self::Scale([first, second], requantize) => {
                let factors = (a.wrapping_sub(first), b.wrapping_sub(second));
                requantize.apply(factors.0.wrapping_mul(factors.1))
            }
        }
    }
}

/// A layer with weights, over an input of a shape.
fn weighted<X: Activation, const K: u32>(
    layer: &Layer,
    parameters: &Parameters,
    (input, x): ([usize; 3], &[X]),
    y: Output,
    scratch: &mut [[i32; 4]],
) {
    let shape = y.info.shape;
    if y.info.element != Element::I32 {
        return with_result!(y, |y| {
            requantizing::<_, _, K>(layer, parameters, (input, x), (shape, y), scratch)
        });
    }
    let Parameters { bias, weights, .. } = *parameters;
    let Ok(y) = bytemuck::try_cast_slice_mut(y.bytes) else { return };
    if has::<K>(Kind::FullyConnected) && layer.kind == Kind::FullyConnected {
        return Chosen::fully_connected_logits(x, (weights, &[]), bias, y);
    }
    if !has::<K>(Kind::Conv2d) {
        return;
    }
    let over = Over::new(layer, input, shape[2]);
    let scratch = scratch_of(scratch, shape[2]);
    if is_for_all(scratch, bias) {
        let convolution = over.convolution(x, parameters, bias);
        Convolving::conv2d(&convolution, true, scratch, kernels::accumulated, y);
    }
}

/// A layer whose accumulators are requantized.
fn requantizing<X: Activation, Y: Activation, const K: u32>(
    layer: &Layer,
    parameters: &Parameters,
    (input, x): ([usize; 3], &[X]),
    (output, y): ([usize; 3], &mut [Y]),
    scratch: &mut [[i32; 4]],
) {
    let Parameters { bias, requantize, weights, .. } = *parameters;
    if has::<K>(Kind::FullyConnected) && layer.kind == Kind::FullyConnected {
        return Chosen::fully_connected(x, (weights, &[]), bias, requantize, y);
    }
    let over = Over::new(layer, input, output[2]);
    let Over { shape, .. } = &over;
    let scratch = scratch_of(scratch, output[2]);
    match layer.kind {
        Kind::DepthwiseConv2d if !has::<K>(Kind::DepthwiseConv2d) => {}
        Kind::DepthwiseConv2d if input[2] == output[2] && input[2] >= 4 => {
            channels::depthwise_conv2d(shape, x, weights, bias, requantize, y);
        }
        Kind::DepthwiseConv2d => {
            kernels::depthwise_conv2d(shape, x, weights, bias, requantize, y);
        }
        Kind::GroupedConv2d if has::<K>(Kind::GroupedConv2d) => {
            let groups = layer.extra()[0] as usize;
            kernels::grouped_conv2d(shape, groups, x, weights, bias, requantize, y);
        }
        // `true`: one copy of the kernels, for windows that reach beyond the input and those that do
        // not.
        Kind::Conv2dMaxPool2d if has::<K>(Kind::Conv2dMaxPool2d) && is_for_all(scratch, bias) => {
            let pool = shapes::pool(layer.pool(), shape.output, output);
            let convolution = over.convolution(x, parameters, requantize);
            Convolving::conv2d_max_pool2d(&convolution, true, &pool, scratch, y);
        }
        Kind::Conv2d if has::<K>(Kind::Conv2d) && is_for_all(scratch, bias) => {
            let convolution = over.convolution(x, parameters, requantize);
            Convolving::convolve(&convolution, true, scratch, y);
        }
        // What is not linked was refused.
        _ => {}
    }
}

/// Whether there is scratch for all output channels, as every loaded model has it that needs any: asked, so that
/// no kernels for parts of the channels are linked.
#[inline(always)]
fn is_for_all(scratch: &[[i32; 4]], bias: &[i32]) -> bool {
    !Chosen::IN_PARTS || scratch.len() == bias.len()
}

/// One element for each output channel; none for kernels that need none.
fn scratch_of(scratch: &mut [[i32; 4]], channels: usize) -> &mut [[i32; 4]] {
    scratch.get_mut(..channels).unwrap_or_default()
}

/// How a convolution lies on its input.
struct Over {
    shape: Conv2dShape,
    interior: Interior,
}

impl Over {
    fn new(layer: &Layer, input: [usize; 3], channels: usize) -> Self {
        let [height, width] = shapes::convolved(layer, input).unwrap_or_default();
        let window = layer.window();
        let output = [height, width, channels];
        let shape = Conv2dShape { input, output, window, padding_value: layer.padding_value() };
        let interior = window.interior([input[0], input[1]], [height, width]);
        Self { shape, interior }
    }

    #[inline(always)]
    fn convolution<'a, X, R>(
        &'a self,
        x: &'a [X],
        parameters: &Parameters<'a>,
        requantize: &'a [R],
    ) -> Convolution<'a, X, R> {
        let Parameters { bias, sums, weights, .. } = *parameters;
        Convolution {
            shape: &self.shape,
            interior: &self.interior,
            x,
            weights: Weights::stored(weights, sums, self.shape.output[2]),
            bias,
            requantize,
            place: Whole,
        }
    }
}
