//! One operator of TensorFlow Lite after the other, in ONNX's words.

use firmware_core::Window;

use super::super::TfliteError;
use super::super::builtin::Builtin;
use super::super::file::{Activation, Element, Operator, Tensor};
use super::super::resize::{sizes, sources};
use super::super::weighted::{Filters, same_padding};
use super::weights::channels_first;
use super::{SUPPORTED, TO_IMAGE, TO_MEMORY, Translation};
use crate::onnx::Attribute;

fn ints(values: &[usize]) -> Attribute {
    Attribute::Ints(values.iter().map(|&value| value as i64).collect())
}

impl Translation<'_> {
    pub(super) fn operator(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        match operator.builtin {
            Builtin::CONV_2D | Builtin::DEPTHWISE_CONV_2D => self.convolution(operator),
            Builtin::FULLY_CONNECTED => self.fully_connected(operator),
            Builtin::MAX_POOL_2D | Builtin::AVERAGE_POOL_2D => self.pool(operator),
            Builtin::MEAN => self.mean(operator),
            Builtin::PAD | Builtin::PADV2 => self.pad(operator),
            Builtin::ADD => self.pair(operator, "Add"),
            Builtin::SUB => self.pair(operator, "Sub"),
            Builtin::MUL => self.pair(operator, "Mul"),
            Builtin::CONCATENATION => self.concatenation(operator),
            Builtin::RELU => self.function(operator, "Relu", &[]),
            Builtin::RELU6 => {
                let (value, _) = self.value(operator, 0)?;
                self.finish(operator, value, Activation::Relu6)
            }
            Builtin::LEAKY_RELU => {
                let alpha = operator.options.map_or(Ok(0.0), |options| options.f32(0))?;
                self.function(operator, "LeakyRelu", &[("alpha", Attribute::Float(alpha))])
            }
            Builtin::PRELU => self.prelu(operator),
            Builtin::ELU => self.function(operator, "Elu", &[]),
            Builtin::LOGISTIC => self.function(operator, "Sigmoid", &[]),
            Builtin::TANH => self.function(operator, "Tanh", &[]),
            Builtin::HARD_SWISH => self.function(operator, "HardSwish", &[]),
            Builtin::SOFTMAX => {
                let beta = operator.options.map_or(Ok(1.0), |options| options.f32(0))?;
                if beta != 1.0 {
                    return Err(operator.error(format!("beta {beta}; 1 is supported")));
                }
                self.over_the_last(operator, "Softmax")
            }
            Builtin::LOG_SOFTMAX => self.over_the_last(operator, "LogSoftmax"),
            Builtin::RESHAPE | Builtin::SQUEEZE | Builtin::EXPAND_DIMS => self.reshape(operator),
            Builtin::RESIZE_NEAREST_NEIGHBOR => self.resize(operator),
            Builtin::TRANSPOSE => self.transpose(operator),
            Builtin::DEQUANTIZE => self.unpack(operator),
            // The shape of a batch that is not fixed; RESHAPE's result says it as well.
            Builtin::SHAPE | Builtin::STRIDED_SLICE | Builtin::PACK
                if self.output(operator)?.1.element == Element::I32 =>
            {
                Ok(())
            }
            Builtin::CUSTOM => {
                Err(operator
                    .error(format!("custom operator '{}' is not supported", operator.custom)))
            }
            _ => Err(operator.error(format!("it is not supported; supported: {SUPPORTED}"))),
        }
    }

    /// A function of one value.
    fn function(
        &mut self,
        operator: &Operator,
        op_type: &str,
        attributes: &[(&str, Attribute)],
    ) -> Result<(), TfliteError> {
        let (value, _) = self.value(operator, 0)?;
        let name = self.node(operator, "", op_type, &[&value], attributes);
        self.finish(operator, name, Activation::None)
    }

    /// Pixels that are repeated a whole number of times.
    fn resize(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let (value, tensor) = self.value(operator, 0)?;
        let (_, size) = self.expected(operator, 1)?;
        let size = size.data.is_some().then(|| size.i32s()).transpose()?;
        let to = &self.output(operator)?.1.shape;
        let [from, to] = sizes(operator, size, &tensor.shape, to)?;
        let mut scales = vec![1.0, 1.0];
        for axis in 0..2 {
            let factor = to[axis] / from[axis];
            let places = sources(operator, from[axis], to[axis])?;
            let repeats = (0..to[axis]).map(|at| at / factor.max(1));
            if !repeats.eq(places.into_iter().map(usize::from)) {
                return Err(operator.error(format!(
                    "resizes {from:?} to {to:?}; supported are whole factors without align_corners"
                )));
            }
            scales.push(factor as f32);
        }
        let name = self.name(operator, "_scales");
        self.model.initializer(&name, &[4], &scales);
        let attributes = [
            ("mode", "nearest"),
            ("coordinate_transformation_mode", "asymmetric"),
            ("nearest_mode", "floor"),
        ];
        let attributes = attributes.map(|(key, text)| (key, Attribute::String(text.into())));
        let name = self.node(operator, "", "Resize", &[&value, "", &name], &attributes);
        self.finish(operator, name, Activation::None)
    }

    /// A softmax or its logarithm, over the last dimension in memory.
    fn over_the_last(&mut self, operator: &Operator, op_type: &str) -> Result<(), TfliteError> {
        let (_, tensor) = self.value(operator, 0)?;
        let axis = if tensor.shape.len() == 4 { 1 } else { -1 };
        self.function(operator, op_type, &[("axis", Attribute::Int(axis))])
    }

    /// The attributes of a window whose options begin with padding and strides; the window must lie on
    /// a value of four dimensions.
    fn window(
        &self,
        operator: &Operator,
        tensor: &Tensor,
        kernel: [usize; 2],
        dilation: [usize; 2],
    ) -> Result<Vec<(&'static str, Attribute)>, TfliteError> {
        let [_, height, width, _] = tensor.shape[..] else {
            return Err(operator.error(format!("reads values of shape {:?}", tensor.shape)));
        };
        let stride = [operator.count(2, 1, "stride")?, operator.count(1, 1, "stride")?];
        let mut window = Window { kernel, stride, dilation, padding: [0; 4] };
        window.padding = same_padding(operator, &window, [height, width])?.unwrap_or_default();
        Ok(vec![
            ("kernel_shape", ints(&kernel)),
            ("strides", ints(&stride)),
            ("pads", ints(&window.padding)),
        ])
    }

    fn convolution(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let depthwise = operator.builtin == Builtin::DEPTHWISE_CONV_2D;
        let (value, tensor) = self.value(operator, 0)?;
        let (_, filter) = self.expected(operator, 1)?;
        let &[.., channels] = &tensor.shape[..] else {
            return Err(operator.error("reads a single number"));
        };
        let Filters { outputs, per_group, groups, kernel, dilation, activation } =
            Filters::of(operator, filter, channels)?;
        let mut attributes = self.window(operator, tensor, kernel, dilation)?;
        attributes.push(("dilations", ints(&dilation)));
        attributes.push(("group", Attribute::Int(groups as i64)));
        let stored = self.floats(operator, 1)?;
        // From [output][height][width][input], or [height][width][output], to [output][input][height]
        // [width].
        let [height, width] = kernel;
        let taps = height * width;
        let mut weights = Vec::with_capacity(stored.len());
        for output in 0..outputs {
            for input in 0..per_group {
                weights.extend((0..taps).map(|tap| match depthwise {
                    true => stored[tap * outputs + output],
                    false => stored[(output * taps + tap) * per_group + input],
                }));
            }
        }
        let name = self.name(operator, "_weights");
        let weights = self.model.initializer(&name, &[outputs, per_group, height, width], &weights);
        let bias = self.bias(operator, 2)?;
        let inputs: Vec<&str> =
            [&value, &weights].into_iter().chain(&bias).map(|s| &s[..]).collect();
        let name = self.node(operator, "", "Conv", &inputs, &attributes);
        self.finish(operator, name, activation)
    }

    fn fully_connected(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let (value, tensor) = self.value(operator, 0)?;
        let (_, filter) = self.expected(operator, 1)?;
        let [outputs, inputs] = filter.shape[..] else {
            return Err(filter.error(format!("weights of shape {:?}", filter.shape)));
        };
        if operator.option(1)? != 0 {
            return Err(operator.error("shuffled weights are not supported"));
        }
        if tensor.size() != inputs || self.output(operator)?.1.size() != outputs {
            return Err(operator.error(format!(
                "weights of shape {:?} on values of shape {:?}; one product for each sample is supported",
                filter.shape, tensor.shape
            )));
        }
        let mut value = self.in_memory(tensor, value);
        if tensor.shape.len() != 2 {
            let axis = [("axis", Attribute::Int(1))];
            value = self.node(operator, "_flat", "Flatten", &[&value], &axis);
        }
        let stored = self.floats(operator, 1)?;
        let name = self.name(operator, "_weights");
        let weights = self.model.initializer(&name, &[outputs, inputs], &stored);
        let bias = self.bias(operator, 2)?;
        let operands: Vec<&str> =
            [&value, &weights].into_iter().chain(&bias).map(|s| &s[..]).collect();
        let mut name = self.node(operator, "", "Gemm", &operands, &[("transB", Attribute::Int(1))]);
        let (_, output) = self.output(operator)?;
        if output.shape.len() != 2 {
            name = self.reshaped(operator, output, name);
        }
        self.finish(operator, name, operator.activation(0)?)
    }

    fn pool(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let (value, tensor) = self.value(operator, 0)?;
        let kernel = [operator.count(4, 1, "window")?, operator.count(3, 1, "window")?];
        let attributes = self.window(operator, tensor, kernel, [1, 1])?;
        let op_type = match operator.builtin {
            Builtin::MAX_POOL_2D => "MaxPool",
            _ => "AveragePool",
        };
        let name = self.node(operator, "", op_type, &[&value], &attributes);
        self.finish(operator, name, operator.activation(5)?)
    }

    fn mean(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let (value, tensor) = self.value(operator, 0)?;
        let rank = tensor.shape.len();
        let wrapped = |axis: i32| if axis < 0 { axis + rank as i32 } else { axis };
        let mut axes: Vec<i32> =
            self.expected(operator, 1)?.1.i32s()?.into_iter().map(wrapped).collect();
        axes.sort_unstable();
        let keep = self.output(operator)?.1.shape.len() == rank;
        let axes = match (rank, &axes[..]) {
            (4, [1, 2]) => vec![2, 3],
            (3, [1]) => vec![1],
            _ => return Err(operator.error(format!("axes {axes:?} are not those of the pixels"))),
        };
        let attributes =
            [("axes", Attribute::Ints(axes)), ("keepdims", Attribute::Int(i64::from(keep)))];
        let name = self.node(operator, "", "ReduceMean", &[&value], &attributes);
        self.finish(operator, name, Activation::None)
    }

    fn pad(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let (value, tensor) = self.value(operator, 0)?;
        let amounts: Vec<i64> =
            self.expected(operator, 1)?.1.i32s()?.into_iter().map(i64::from).collect();
        let rank = tensor.shape.len();
        let (pairs, _) = amounts.as_chunks::<2>();
        if pairs.len() != rank {
            return Err(operator.error(format!("{} amounts for {rank} dimensions", amounts.len())));
        }
        let order: Vec<usize> = match rank {
            4 => TO_IMAGE.map(|axis| axis as usize).into(),
            _ => (0..rank).collect(),
        };
        let side = |side: usize| order.iter().map(move |&axis| pairs[axis][side]);
        let pads: Vec<i64> = side(0).chain(side(1)).collect();
        let name = self.name(operator, "_amounts");
        let pads = self.model.initializer(&name, &[2 * rank], &pads);
        let filled = match self.tensor(operator, 2)? {
            None => None,
            Some(_) => {
                let values = self.floats(operator, 2)?;
                let value = *values.first().unwrap_or(&0.0);
                let name = self.name(operator, "_value");
                Some(self.model.initializer(&name, &[], &[value]))
            }
        };
        let inputs: Vec<&str> =
            [&value, &pads].into_iter().chain(&filled).map(|s| &s[..]).collect();
        let name = self.node(operator, "", "Pad", &inputs, &[]);
        self.finish(operator, name, Activation::None)
    }

    /// A sum, a difference or a product of two values, or of a value and a constant.
    fn pair(&mut self, operator: &Operator, op_type: &str) -> Result<(), TfliteError> {
        let rank = self.output(operator)?.1.shape.len();
        let a = self.operand(operator, 0, rank)?;
        let b = self.operand(operator, 1, rank)?;
        let name = self.node(operator, "", op_type, &[&a, &b], &[]);
        self.finish(operator, name, operator.activation(0)?)
    }

    fn prelu(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let (value, tensor) = self.value(operator, 0)?;
        let (_, slopes) = self.expected(operator, 1)?;
        let shape = channels_first(operator, slopes, tensor.shape.len())?;
        let stored = self.floats(operator, 1)?;
        let name = self.name(operator, "_slopes");
        let slopes = self.model.initializer(&name, &shape, &stored);
        let name = self.node(operator, "", "PRelu", &[&value, &slopes], &[]);
        self.finish(operator, name, Activation::None)
    }

    fn concatenation(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let rank = self.output(operator)?.1.shape.len();
        let given = operator.options.map_or(Ok(0), |options| options.i32(0, 0))?;
        let axis = if given < 0 { given + rank as i32 } else { given };
        let axis = match usize::try_from(axis) {
            Ok(axis) if axis < rank && rank == 4 => TO_MEMORY[axis],
            Ok(axis) if axis < rank => axis as i64,
            _ => return Err(operator.error(format!("axis {given} of {rank} dimensions"))),
        };
        let values: Result<Vec<String>, TfliteError> =
            (0..operator.inputs.len()).map(|n| Ok(self.value(operator, n)?.0)).collect();
        let values = values?;
        let values: Vec<&str> = values.iter().map(|name| &name[..]).collect();
        let axis = [("axis", Attribute::Int(axis))];
        let name = self.node(operator, "", "Concat", &values, &axis);
        self.finish(operator, name, operator.activation(1)?)
    }

    fn reshape(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let (value, tensor) = self.value(operator, 0)?;
        let (_, output) = self.output(operator)?;
        if output.size() != tensor.size() {
            return Err(operator.error(format!(
                "reshapes {} values into {:?}; convert the model with a batch of 1",
                tensor.size(),
                output.shape
            )));
        }
        let value = self.in_memory(tensor, value);
        let name = self.reshaped(operator, output, value);
        self.finish(operator, name, Activation::None)
    }

    /// A value in the order of its memory in the shape of `output`.
    fn reshaped(&mut self, operator: &Operator, output: &Tensor, value: String) -> String {
        // 0 keeps the batch.
        let shape: Vec<i64> = std::iter::once(0)
            .chain(output.shape.iter().skip(1).map(|&size| size as i64))
            .collect();
        let name = self.name(operator, "_shape");
        let shape = self.model.initializer(&name, &[shape.len()], &shape);
        let name = self.node(operator, "_reshaped", "Reshape", &[&value, &shape], &[]);
        self.as_image(output, name)
    }

    fn transpose(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let (value, tensor) = self.value(operator, 0)?;
        let order: Vec<i64> =
            self.expected(operator, 1)?.1.i32s()?.into_iter().map(i64::from).collect();
        let value = self.in_memory(tensor, value);
        let perm = [("perm", Attribute::Ints(order))];
        let name = self.node(operator, "", "Transpose", &[&value], &perm);
        let (_, output) = self.output(operator)?;
        let name = self.as_image(output, name);
        self.finish(operator, name, Activation::None)
    }

    /// Weights that are stored in half precision.
    fn unpack(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let (_, tensor) = self.expected(operator, 0)?;
        if tensor.data.is_none() {
            return Err(operator.error("only the weights of a float network can be dequantized"));
        }
        let values = self.floats(operator, 0)?;
        let (index, _) = self.output(operator)?;
        self.unpacked[index] = Some(values);
        Ok(())
    }
}
