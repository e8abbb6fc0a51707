//! MaxPool, AveragePool and GlobalAveragePool.

use firmware_core::Window;

use super::import::Import;
use super::known::{Affine, Operation, Pending, Real};
use crate::graph::Shape;
use crate::operators::IntegerOp;
use crate::operators::affine_mean::AffineMean;
use crate::operators::conv2d::QuantizedConv2d;
use crate::operators::float_mean_pool2d::FloatMeanPool2d;
use crate::operators::max_pool2d::MaxPool2d;
use crate::quantized::{FloatRescale, QuantizedLayer, Rescaling};
use crate::read::operators::{Cursor, pool, window};
use crate::read::view::View;
use crate::read::{ReadError, node_name};

/// Pixels of a window whose sum is proven to fit.
const MOST_PIXELS: usize = 1 << 14;

/// An average pooling.
#[derive(Clone, Debug)]
pub(super) struct Pooling {
    input: Affine,
    /// `None` for all pixels of this number.
    window: Option<Window>,
    pixels: usize,
    /// The padding counts.
    whole: bool,
    lift: u8,
}

impl Pooling {
    pub fn quantized(&self, output: Affine) -> Result<IntegerOp, String> {
        let Affine { scale, zero } = self.input;
        if let Some(window) = self.window {
            return Ok(FloatMeanPool2d {
                window,
                input: (scale, zero),
                output: (output.scale, output.zero),
                whole: self.whole,
                lift: self.lift,
            }
            .into());
        }
        // In this order in f32, as ONNX Runtime does.
        let factor = scale / (output.scale * self.pixels as f32);
        if !factor.is_normal() {
            return Err(format!("rescales by {factor:e}, which is no usable scale"));
        }
        let rescale = Rescaling::Float(FloatRescale { scale: factor, zero: output.zero });
        Ok(AffineMean { input_zero: zero, rescale }.into())
    }
}

impl Import<'_> {
    pub(super) fn max_pool(&mut self, node: &Cursor) -> Result<(), ReadError> {
        // A function that keeps the order may as well be computed behind the pooling.
        let real = self.monotonic(node)?;
        let image = self.image(node, &real.value)?;
        let kernel = pool::kernel(node, image.rank)?;
        let (window, [height, width]) = window::window(node, kernel, &image)?;
        if node.int("storage_order", 0) != 0 {
            return Err(node.wrong("storage_order is not supported"));
        }
        let shape = Shape { height, width, ..image.shape };
        self.check_work(node, shape.size(), window.area())?;
        let view = View::image(0, shape, image.layout, image.rank);
        let of = (real.value.affine, real.value.element, view);
        // Windows that do not overlap: the convolution pools its accumulators and rounds once.
        let apart = window.stride[0] >= kernel[0] && window.stride[1] >= kernel[1];
        let fused = match self.only_for(node, image.value) {
            Some(QuantizedLayer { op: IntegerOp::Conv2d(convolution), .. })
                if apart && convolution.groups == 1 && convolution.pool.is_none() =>
            {
                Some(QuantizedConv2d { pool: Some(window), ..convolution.clone() })
            }
            _ => None,
        };
        let value = match fused {
            Some(convolution) => self.extend(node, convolution, shape, of)?,
            None => self.push(node, MaxPool2d { window }, vec![image.value], shape, of)?,
        };
        self.bind_real(node, Real { value, ..real });
        Ok(())
    }

    pub(super) fn average_pool(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let value = self.value(node, 0)?;
        let image = self.image(node, &value)?;
        let size = [image.shape.height, image.shape.width];
        let global = node.proto.op_type == "GlobalAveragePool";
        let (window, [height, width]) = match global {
            true => (Window::tiling(size), [1, 1]),
            false => window::window(node, pool::kernel(node, image.rank)?, &image)?,
        };
        if window.area() > MOST_PIXELS {
            return Err(node.wrong(format!("a window of {:?} is too large", window.kernel)));
        }
        if window.dilation != [1, 1] {
            return Err(node.wrong("dilation is not supported here"));
        }
        let shape = Shape { height, width, ..image.shape };
        self.check_work(node, shape.size(), window.area())?;
        // ONNX Runtime takes a window over the whole input for the global pooling.
        let all = window.kernel == size && !window.is_padded();
        let pooling = Pooling {
            input: value.affine,
            window: (!all).then_some(window),
            pixels: window.area(),
            whole: node.int("count_include_pad", 0) != 0,
            lift: self.lift(value.element),
        };
        let view = View::image(0, shape, image.layout, image.rank);
        let pending = Pending {
            operation: Operation::Pooling(pooling),
            node: node_name(node.proto).into(),
            op: node.proto.op_type.clone(),
            inputs: vec![image.value],
            element: value.element,
            shape,
            view,
            bounds: [f32::NEG_INFINITY, f32::INFINITY],
        };
        self.pending(node, pending)
    }
}
