//! Kinds of ONNX files on which readers go wrong, each as small as it can be, with what is right for
//! it. Every fault that was ever reported belongs here as a kind, not as a file.

use converter::onnx::{Attribute, Dim, ElementType, ModelBuilder};
use converter::pb;
use converter::pb::tensor_proto::DataType;
use prost::Message;

/// Height and width of the images, but for series and vectors.
pub const SIDE: usize = 12;
pub const CLASSES: usize = 5;

/// What is right for a file.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// It converts, tract confirms the reading, and the integers equal tract's.
    Converts,
    /// The same, but tract cannot run the file or is wrong about it: its own nodes confirm it.
    ConvertsByItsNodes,
    /// It is refused in one line that says these.
    Refused(&'static [&'static str]),
}

pub struct Kind {
    pub name: &'static str,
    pub onnx: Vec<u8>,
    /// Height and width of its images.
    pub size: [usize; 2],
    pub expected: Expected,
}

/// All kinds.
pub fn all() -> Vec<Kind> {
    [inputs(), shapes(), constants(), layers(), ends(), refusals(), hostile()].concat_all()
}

trait ConcatAll {
    fn concat_all(self) -> Vec<Kind>;
}

impl<const N: usize> ConcatAll for [Vec<Kind>; N] {
    fn concat_all(self) -> Vec<Kind> {
        self.into_iter().flatten().collect()
    }
}

fn converts(name: &'static str, onnx: Vec<u8>) -> Kind {
    Kind { name, onnx, size: [SIDE, SIDE], expected: Expected::Converts }
}

fn refused(name: &'static str, onnx: Vec<u8>, parts: &'static [&'static str]) -> Kind {
    Kind { name, onnx, size: [SIDE, SIDE], expected: Expected::Refused(parts) }
}

fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// A network being written.
pub struct Net {
    pub model: ModelBuilder,
    rng: fastrand::Rng,
}

impl Net {
    pub fn new(opset: i64) -> Self {
        let model = ModelBuilder::new("kind").with_opset(opset);
        Self { model, rng: fastrand::Rng::with_seed(5) }
    }

    /// A float input of dynamic batch.
    pub fn input(&mut self, dims: &[usize]) -> String {
        self.input_of(ElementType::F32, dims)
    }

    pub fn input_of(&mut self, element: ElementType, dims: &[usize]) -> String {
        let dims = [Dim::Symbol("N")].into_iter().chain(dims.iter().map(|&dim| Dim::Fixed(dim)));
        self.model.input("x", element, &dims.collect::<Vec<_>>())
    }

    /// Random numbers as an initializer, of a size that keeps the results near 1.
    pub fn weights(&mut self, dims: &[usize]) -> String {
        let count: usize = dims.iter().product();
        let reach = 2.0 / (dims[1..].iter().product::<usize>().max(1) as f32).sqrt();
        let values: Vec<f32> = (0..count).map(|_| (self.rng.f32() * 2.0 - 1.0) * reach).collect();
        let name = self.model.fresh("w");
        self.model.initializer(&name, dims, &values)
    }

    pub fn shape(&mut self, values: &[i64]) -> String {
        let name = self.model.fresh("shape");
        self.model.initializer(&name, &[values.len()], values)
    }

    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let name = self.model.fresh(&op.to_lowercase());
        self.model.node(op, &name, inputs, attributes)
    }

    /// A 3×3 convolution padded by 1.
    pub fn conv(&mut self, x: &str, from: usize, to: usize) -> String {
        let (w, b) = (self.weights(&[to, from, 3, 3]), self.weights(&[to]));
        self.node("Conv", &[x, &w, &b], &[("pads", ints(&[1, 1, 1, 1]))])
    }

    /// relu · max pooling by 2
    pub fn pooled(&mut self, x: &str) -> String {
        let x = self.node("Relu", &[x], &[]);
        let two = || ints(&[2, 2]);
        self.node("MaxPool", &[&x], &[("kernel_shape", two()), ("strides", two())])
    }

    /// A fully connected layer to the classes.
    pub fn gemm(&mut self, x: &str, from: usize) -> String {
        let (w, b) = (self.weights(&[CLASSES, from]), self.weights(&[CLASSES]));
        self.node("Gemm", &[x, &w, &b], &[("transB", int(1))])
    }

    /// flatten · fully connected
    pub fn classified(&mut self, x: &str, from: usize) -> String {
        let x = self.node("Flatten", &[x], &[]);
        self.gemm(&x, from)
    }

    /// What stands behind an image in most kinds: conv 1→4 · relu · pool · flatten · fc.
    pub fn rest(&mut self, x: &str) -> String {
        let x = self.conv(x, 1, 4);
        let x = self.pooled(&x);
        self.classified(&x, 4 * SIDE * SIDE / 4)
    }

    pub fn finish(mut self, y: &str) -> Vec<u8> {
        self.model.output(y, ElementType::F32, &[Dim::Symbol("N"), CLASSES.into()]);
        self.model.finish()
    }
}

/// The network that most kinds are another form of.
pub fn plain() -> Vec<u8> {
    image_net(17, |_, x| x.to_string())
}

/// An image, what `front` makes of it, and the rest.
fn image_net(opset: i64, front: impl FnOnce(&mut Net, &str) -> String) -> Vec<u8> {
    let mut net = Net::new(opset);
    let x = net.input(&[1, SIDE, SIDE]);
    let x = front(&mut net, &x);
    let y = net.rest(&x);
    net.finish(&y)
}

/// The rest's layers, and what `end` makes of the logits.
fn ending(opset: i64, end: impl FnOnce(&mut Net, &str) -> String) -> Vec<u8> {
    let mut net = Net::new(opset);
    let x = net.input(&[1, SIDE, SIDE]);
    let y = net.rest(&x);
    let y = end(&mut net, &y);
    net.finish(&y)
}

/// conv · relu · pool, and what `middle` makes of the 4×6×6 to the logits.
fn middle(opset: i64, middle: impl FnOnce(&mut Net, &str) -> String) -> Vec<u8> {
    let mut net = Net::new(opset);
    let x = net.input(&[1, SIDE, SIDE]);
    let x = net.conv(&x, 1, 4);
    let x = net.pooled(&x);
    let y = middle(&mut net, &x);
    net.finish(&y)
}

/// Changes a finished file.
pub fn edited(onnx: &[u8], edit: impl FnOnce(&mut pb::ModelProto)) -> Vec<u8> {
    let mut model = pb::ModelProto::decode(onnx).expect("our own model decodes");
    edit(&mut model);
    model.encode_to_vec()
}

fn graph(model: &mut pb::ModelProto) -> &mut pb::GraphProto {
    model.graph.as_mut().expect("our own model has a graph")
}

fn inputs() -> Vec<Kind> {
    let vector = |reshape: bool| {
        let mut net = Net::new(17);
        let x = net.input(&[SIDE * SIDE]);
        let y = match reshape {
            true => {
                let shape = net.shape(&[-1, 1, SIDE as i64, SIDE as i64]);
                let x = net.node("Reshape", &[&x, &shape], &[]);
                net.rest(&x)
            }
            false => {
                let x = net.gemm(&x, SIDE * SIDE);
                let x = net.node("Relu", &[&x], &[]);
                net.gemm(&x, CLASSES)
            }
        };
        net.finish(&y)
    };
    let rows = {
        let mut net = Net::new(17);
        let x = net.input(&[SIDE, SIDE]);
        let axes = net.shape(&[1]);
        let x = net.node("Unsqueeze", &[&x, &axes], &[]);
        let y = net.rest(&x);
        net.finish(&y)
    };
    let last = {
        let mut net = Net::new(17);
        let x = net.input(&[SIDE, SIDE, 1]);
        let x = net.node("Transpose", &[&x], &[("perm", ints(&[0, 3, 1, 2]))]);
        let y = net.rest(&x);
        net.finish(&y)
    };
    let series = {
        let mut net = Net::new(17);
        let x = net.input(&[1, 64]);
        let w = net.weights(&[3, 1, 5]);
        let x = net.node("Conv", &[&x, &w], &[("strides", ints(&[2])), ("pads", ints(&[2, 1]))]);
        let x = net.node("Relu", &[&x], &[]);
        let x = net.node("MaxPool", &[&x], &[("kernel_shape", ints(&[2]))]);
        let x = net.node("GlobalAveragePool", &[&x], &[]);
        let y = net.classified(&x, 3);
        net.finish(&y)
    };
    let bytes = {
        let mut net = Net::new(17);
        let x = net.input_of(ElementType::U8, &[1, SIDE, SIDE]);
        let x = net.node("Cast", &[&x], &[("to", int(DataType::Float as i64))]);
        let scale = net.model.initializer("scale", &[], &[255_f32]);
        let x = net.node("Div", &[&x, &scale], &[]);
        let y = net.rest(&x);
        net.finish(&y)
    };
    let rescaled = image_net(17, |net, x| {
        let scale = net.model.initializer("scale", &[], &[1.0_f32 / 127.5]);
        let one = net.model.initializer("one", &[], &[1_f32]);
        let x = net.node("Mul", &[x, &scale], &[]);
        net.node("Sub", &[&x, &one], &[])
    });
    let fixed = edited(&plain(), |model| {
        let input = graph(model).input[0].r#type.as_mut().and_then(|kind| kind.value.as_mut());
        let Some(pb::type_proto::Value::TensorType(tensor)) = input else { return };
        let shape = tensor.shape.as_mut().expect("the input has a shape");
        shape.dim[0].value = Some(pb::tensor_shape_proto::dimension::Value::DimValue(3));
    });
    vec![
        converts("vector", vector(false)),
        converts("vector_reshaped", vector(true)),
        converts("rows_unsqueezed", rows),
        converts("channels_last", last),
        Kind { name: "series", onnx: series, size: [1, 64], expected: Expected::Converts },
        converts("uint8", bytes),
        converts("rescaled_inside", rescaled),
        converts("fixed_batch", fixed),
    ]
}

fn shapes() -> Vec<Kind> {
    let symbolic = edited(&plain(), |model| {
        let graph = graph(model);
        let mut info = graph.input[0].clone();
        info.name = graph.node[0].output[0].clone();
        let kind = info.r#type.as_mut().and_then(|kind| kind.value.as_mut());
        let Some(pb::type_proto::Value::TensorType(tensor)) = kind else { return };
        let shape = tensor.shape.as_mut().expect("the input has a shape");
        shape.dim[1].value = Some(pb::tensor_shape_proto::dimension::Value::DimValue(4));
        graph.value_info.push(info);
    });
    let start_end = middle(15, |net, x| {
        let batch = net.node("Shape", &[x], &[("start", int(0)), ("end", int(1))]);
        let rest = net.shape(&[-1]);
        let shape = net.node("Concat", &[&batch, &rest], &[("axis", int(0))]);
        let x = net.node("Reshape", &[x, &shape], &[]);
        net.gemm(&x, 144)
    });
    let flattened_last = middle(17, |net, x| {
        let x = net.node("Transpose", &[x], &[("perm", ints(&[0, 2, 3, 1]))]);
        let x = net.node("Flatten", &[&x], &[]);
        let x = net.node("Relu", &[&x], &[]);
        net.gemm(&x, 144)
    });
    let there_and_back = middle(17, |net, x| {
        let x = net.node("Flatten", &[x], &[]);
        let x = net.node("Transpose", &[&x], &[]);
        let x = net.node("Transpose", &[&x], &[]);
        let shape = net.shape(&[0, 4, 6, 6]);
        let x = net.node("Reshape", &[&x, &shape], &[]);
        let x = net.conv(&x, 4, 2);
        net.classified(&x, 72)
    });
    let two_means = middle(17, |net, x| {
        let x = net.node("ReduceMean", &[x], &[("axes", ints(&[3])), ("keepdims", int(0))]);
        let x = net.node("ReduceMean", &[&x], &[("axes", ints(&[2])), ("keepdims", int(0))]);
        net.gemm(&x, 4)
    });
    let every_pixel = middle(17, |net, x| {
        let x = net.node("Transpose", &[x], &[("perm", ints(&[0, 2, 3, 1]))]);
        let w = net.weights(&[4, 3]);
        let x = net.node("MatMul", &[&x, &w], &[]);
        let x = net.node("Flatten", &[&x], &[]);
        net.gemm(&x, 108)
    });
    let padded = image_net(17, |net, x| {
        let shape = net.shape(&[8]);
        let zeros = net.node("ConstantOfShape", &[&shape], &[]);
        let zeros = net.node("Cast", &[&zeros], &[("to", int(DataType::Int64 as i64))]);
        let x = net.node("Pad", &[x, &zeros], &[]);
        let one = net.shape(&[1, 1, 12, 12]);
        let x = net.node("Reshape", &[&x, &one], &[]);
        net.node("Identity", &[&x], &[])
    });
    // Fixed for one image: two at once cannot run.
    vec![
        converts("symbolic_value_info", symbolic),
        converts("shape_start_end", start_end),
        converts("channels_last_flatten_relu", flattened_last),
        converts("there_and_back", there_and_back),
        converts("mean_in_two_steps", two_means),
        converts("matrix_for_every_pixel", every_pixel),
        converts("pads_of_shape", padded),
    ]
}

fn constants() -> Vec<Kind> {
    let cast = image_net(17, |net, x| {
        let two = net.model.initializer("two", &[], &[2_i64]);
        let two = net.node("Cast", &[&two], &[("to", int(DataType::Float as i64))]);
        net.node("Div", &[x, &two], &[])
    });
    let chosen = image_net(17, |net, x| {
        let shape = net.shape(&[1, 1]);
        let start = net.model.initializer("start", &[], &[0_i64]);
        let limit = net.model.initializer("limit", &[], &[2_i64]);
        let step = net.model.initializer("step", &[], &[1_i64]);
        let range = net.node("Range", &[&start, &limit, &step], &[]);
        let small = net.model.initializer("small", &[], &[1_i64]);
        let less = net.node("Less", &[&range, &small], &[]);
        let (a, b) = (
            net.model.initializer("a", &[], &[0.5_f32]),
            net.model.initializer("b", &[], &[9_f32]),
        );
        let both = net.node("Where", &[&less, &a, &b], &[]);
        let first = net.model.initializer("first", &[], &[0_i64]);
        let half = net.node("Gather", &[&both, &first], &[]);
        let half = net.node("Expand", &[&half, &shape], &[]);
        let half = net.node("Sqrt", &[&half], &[]);
        net.node("Mul", &[x, &half], &[])
    });
    let dequantized = {
        let mut net = Net::new(17);
        let x = net.input(&[1, SIDE, SIDE]);
        let values: Vec<i8> = (0..36).map(|i| (i * 29 % 255 - 127) as i8).collect();
        let w = net.model.initializer("w8", &[4, 1, 3, 3], &values);
        let scale = net.model.initializer("scale", &[4], &[0.01_f32, 0.005, 0.02, 0.008]);
        let zero = net.model.initializer("zero", &[4], &[0_i8; 4]);
        let w = net.node("DequantizeLinear", &[&w, &scale, &zero], &[("axis", int(0))]);
        let x = net.node("Conv", &[&x, &w], &[("pads", ints(&[1, 1, 1, 1]))]);
        let x = net.pooled(&x);
        let y = net.classified(&x, 144);
        net.finish(&y)
    };
    let unused = edited(&plain(), |model| {
        graph(model).initializer.push(pb::TensorProto {
            name: "unused".into(),
            dims: vec![3],
            data_type: DataType::Bool as i32,
            int32_data: vec![1],
            ..Default::default()
        });
    });
    let absent = middle(17, |net, x| {
        let w = net.weights(&[2, 4, 3, 3]);
        let x = net.node("Conv", &[x, &w, ""], &[]);
        net.classified(&x, 32)
    });
    let narrow = |to: DataType, bytes: fn(f32) -> Vec<u8>| {
        edited(&plain(), |model| {
            let graph = graph(model);
            for tensor in &mut graph.initializer {
                let words = tensor.raw_data.chunks_exact(4);
                let floats = words.map(|word| f32::from_le_bytes(word.try_into().expect("four")));
                tensor.raw_data = floats.flat_map(bytes).collect();
                tensor.data_type = to as i32;
            }
            for info in graph.input.iter_mut().chain(&mut graph.output) {
                let kind = info.r#type.as_mut().and_then(|kind| kind.value.as_mut());
                let Some(pb::type_proto::Value::TensorType(tensor)) = kind else { continue };
                tensor.elem_type = to as i32;
            }
        })
    };
    vec![
        converts("integer_cast", cast),
        converts("range_less_where_gather_expand_sqrt", chosen),
        converts("weights_behind_dequantize", dequantized),
        converts("unused_damaged_tensor", unused),
        converts("absent_bias", absent),
        converts("double", narrow(DataType::Double, |x| f64::from(x).to_le_bytes().to_vec())),
        converts(
            "bfloat16",
            narrow(DataType::Bfloat16, |x| ((x.to_bits() >> 16) as u16).to_le_bytes().to_vec()),
        ),
        converts("float16", narrow(DataType::Float16, |x| half(x).to_le_bytes().to_vec())),
        converts("local_function", with_function()),
    ]
}

/// Half precision, rounded towards zero; for values of normal size.
fn half(x: f32) -> u16 {
    let bits = x.to_bits();
    let exponent = (bits >> 23 & 255) as i32 - 127 + 15;
    match exponent {
        ..=0 => (bits >> 31 << 15) as u16,
        exponent => {
            (bits >> 31 << 15) as u16 | (exponent << 10) as u16 | (bits >> 13 & 1023) as u16
        }
    }
}

/// The plain network with its ReLU inside two local functions, one calling the other.
fn with_function() -> Vec<u8> {
    let plain = edited(&plain(), |model| {
        model.opset_import.push(pb::OperatorSetIdProto { domain: "own".into(), version: 1 });
        let relu = graph(model).node.iter_mut().find(|node| node.op_type == "Relu");
        let relu = relu.expect("the network has a ReLU");
        (relu.op_type, relu.domain) = ("Outer".into(), "own".into());
        relu.attribute.push(pb::AttributeProto {
            name: "slope".into(),
            f: 0.25,
            r#type: pb::attribute_proto::AttributeType::Float as i32,
            ..Default::default()
        });
    });
    let node = |op: &str, domain: &str, inner: Option<&str>| pb::NodeProto {
        op_type: op.into(),
        domain: domain.into(),
        input: vec!["a".into()],
        output: vec!["b".into()],
        attribute: inner
            .map(|name| pb::AttributeProto {
                name: name.into(),
                ref_attr_name: "slope".into(),
                r#type: pb::attribute_proto::AttributeType::Float as i32,
                ..Default::default()
            })
            .into_iter()
            .collect(),
        ..Default::default()
    };
    let function = |name: &str, node: pb::NodeProto| pb::FunctionProto {
        name: name.into(),
        domain: "own".into(),
        input: vec!["a".into()],
        output: vec!["b".into()],
        attribute: vec!["slope".into()],
        node: vec![node],
        ..Default::default()
    };
    edited(&plain, |model| {
        model.functions = vec![
            function("Outer", node("Inner", "own", Some("slope"))),
            function("Inner", node("LeakyRelu", "", Some("alpha"))),
        ];
    })
}

fn layers() -> Vec<Kind> {
    let norm_behind_flatten = |op: bool| {
        middle(17, move |net, x| {
            let x = net.node("Transpose", &[x], &[("perm", ints(&[0, 2, 3, 1]))]);
            let x = net.node("Flatten", &[&x], &[]);
            let (a, b) = (net.weights(&[144]), net.weights(&[144]));
            let x = match op {
                true => {
                    let ones = net.model.initializer("ones", &[144], &[1.5_f32; 144]);
                    net.node("BatchNormalization", &[&x, &a, &b, &b, &ones], &[])
                }
                false => {
                    let x = net.node("Mul", &[&x, &a], &[]);
                    net.node("Add", &[&x, &b], &[])
                }
            };
            net.gemm(&x, 144)
        })
    };
    let constant_minus = {
        let mut net = Net::new(17);
        let x = net.input(&[1, SIDE, SIDE]);
        let x = net.conv(&x, 1, 4);
        let c = net.weights(&[4, 1, 1]);
        let x = net.node("Sub", &[&c, &x], &[]);
        let y = net.classified(&x, 4 * SIDE * SIDE);
        net.finish(&y)
    };
    let normalized = image_net(17, |net, x| {
        let mean = net.model.initializer("mean", &[1, 1, 1, 1], &[0.1307_f32]);
        let deviation = net.model.initializer("deviation", &[1, 1, 1, 1], &[0.3081_f32]);
        let x = net.node("Sub", &[x, &mean], &[]);
        net.node("Div", &[&x, &deviation], &[])
    });
    let ceil = middle(17, |net, x| {
        let attributes =
            [("kernel_shape", ints(&[3, 3])), ("strides", ints(&[2, 2])), ("ceil_mode", int(1))];
        let x = net.node("MaxPool", &[x], &attributes);
        net.classified(&x, 36)
    });
    let early = image_net(10, |net, x| {
        let x = net.node(
            "Clip",
            &[x],
            &[("min", Attribute::Float(0.0)), ("max", Attribute::Float(6.0))],
        );
        let x = net.node("Pad", &[&x], &[("pads", ints(&[0; 8]))]);
        net.node("Dropout", &[&x], &[("ratio", Attribute::Float(0.5))])
    });
    let same = middle(17, |net, x| {
        let w = net.weights(&[3, 4, 3, 3]);
        let lower =
            [("auto_pad", Attribute::String("SAME_LOWER".into())), ("strides", ints(&[2, 2]))];
        let x = net.node("Conv", &[x, &w], &lower);
        net.classified(&x, 27)
    });
    vec![
        converts("scale_behind_flatten", norm_behind_flatten(false)),
        converts("batch_norm_behind_flatten", norm_behind_flatten(true)),
        Kind {
            expected: Expected::ConvertsByItsNodes,
            ..converts("constant_minus", constant_minus)
        },
        converts("normalized_before_padding", normalized),
        converts("ceil_mode", ceil),
        converts("attributes_of_early_opsets", early),
        converts("same_lower_strided", same),
    ]
}

fn ends() -> Vec<Kind> {
    let one = |op: &'static str, attributes: &'static [(&'static str, i64)]| {
        move |net: &mut Net, y: &str| {
            let attributes: Vec<_> =
                attributes.iter().map(|&(name, value)| (name, int(value))).collect();
            net.node(op, &[y], &attributes)
        }
    };
    let company = ending(17, |net, y| {
        let y = net.node("Identity", &[y], &[]);
        let y = net.node("Softmax", &[&y], &[]);
        net.node("Identity", &[&y], &[])
    });
    let class = ending(17, |net, y| {
        let y = net.node("Softmax", &[y], &[]);
        net.node("ArgMax", &[&y], &[("axis", int(1)), ("keepdims", int(0))])
    });
    vec![
        converts("softmax", ending(17, one("Softmax", &[("axis", -1)]))),
        converts("softmax_early", ending(11, one("Softmax", &[]))),
        converts("log_softmax", ending(17, one("LogSoftmax", &[("axis", 1)]))),
        converts("sigmoid", ending(17, one("Sigmoid", &[]))),
        converts("softmax_in_company", company),
        converts("arg_max_of_softmax", class),
    ]
}

fn refusals() -> Vec<Kind> {
    let cast = image_net(17, |net, x| {
        let x = net.node("Cast", &[x], &[("to", int(DataType::Bool as i64))]);
        net.node("Cast", &[&x], &[("to", int(DataType::Float as i64))])
    });
    let turned = {
        let mut net = Net::new(17);
        let x = net.input(&[1, 3, SIDE]);
        let w = net.weights(&[4, 1, 3, 1]);
        let x = net.node("Conv", &[&x, &w], &[]);
        let shape = net.shape(&[0, 1, 4, SIDE as i64]);
        let x = net.node("Reshape", &[&x, &shape], &[]);
        let x = net.conv(&x, 1, 2);
        let y = net.classified(&x, 8 * SIDE);
        net.finish(&y)
    };
    let two = edited(&plain(), |model| {
        let graph = graph(model);
        let mut second = graph.output[0].clone();
        second.name = graph.node[0].output[0].clone();
        graph.output.push(second);
    });
    let attribute = ending(17, |net, y| net.node("Relu", &[y], &[("slope", int(1))]));
    let recurrent = ending(17, |net, y| net.node("GRU", &[y], &[("hidden_size", int(3))]));
    let quantized = image_net(17, |net, x| {
        let scale = net.model.initializer("scale", &[], &[0.1_f32]);
        let zero = net.model.initializer("zero", &[], &[0_u8]);
        let x = net.node("QuantizeLinear", &[x, &scale, &zero], &[]);
        net.node("DequantizeLinear", &[&x, &scale, &zero], &[])
    });
    vec![
        refused("cast_to_bool", cast, &["Cast", "BOOL"]),
        refused(
            "softmax_over_batch",
            ending(17, |net, y| net.node("Softmax", &[y], &[("axis", int(0))])),
            &["Softmax", "over the batch"],
        ),
        refused("moved_elements", turned, &["Conv", "no kernel moves elements"]),
        refused("two_outputs", two, &["2 outputs"]),
        refused("unknown_attribute", attribute, &["Relu", "\"slope\""]),
        refused("recurrent", recurrent, &["GRU", "recurrent"]),
        refused("quantized", quantized, &["QuantizeLinear", "already quantized"]),
    ]
}

fn hostile() -> Vec<Kind> {
    let mut kinds = Vec::new();
    let mut add = |name, onnx, parts| kinds.push(refused(name, onnx, parts));
    let sized = |dims: &[i64]| {
        let dims = dims.to_vec();
        edited(&plain(), move |model| {
            let kind = graph(model).input[0].r#type.as_mut().and_then(|kind| kind.value.as_mut());
            let Some(pb::type_proto::Value::TensorType(tensor)) = kind else { return };
            let shape = tensor.shape.as_mut().expect("the input has a shape");
            for (dim, &size) in shape.dim.iter_mut().zip(&dims) {
                dim.value = Some(pb::tensor_shape_proto::dimension::Value::DimValue(size));
            }
        })
    };
    add("batch_of_2_to_40", sized(&[1 << 40, 1, 12, 12]), &["batch"]);
    add("image_of_2_to_60", sized(&[1, 1, 1 << 30, 1 << 30]), &["elements"]);
    add("image_that_overflows", sized(&[1, 1 << 32, 1 << 32, 12]), &["elements"]);
    add("image_of_nothing", sized(&[1, 1, 0, 12]), &["fixed image size"]);
    let reshape = |target: &'static [i64]| {
        middle(17, move |net, x| {
            let shape = net.shape(target);
            let x = net.node("Reshape", &[x, &shape], &[]);
            net.gemm(&x, 144)
        })
    };
    add("reshape_that_overflows", reshape(&[1 << 40, 1 << 40]), &["Reshape", "elements"]);
    add("reshape_of_two_unknowns", reshape(&[-1, -1]), &["Reshape", "two dimensions of -1"]);
    add("reshape_to_less", reshape(&[1, 7]), &["Reshape", "does not hold"]);
    let doubled = middle(17, |net, x| {
        let mut x = x.to_string();
        for _ in 0..62 {
            x = net.node("Concat", &[&x, &x], &[("axis", int(1))]);
        }
        net.classified(&x, 144)
    });
    add("channels_doubled_62_times", doubled, &["Concat", "elements"]);
    let shapes = middle(17, |net, x| {
        let mut shape = net.node("Shape", &[x], &[]);
        for _ in 0..62 {
            shape = net.node("Concat", &[&shape, &shape], &[("axis", int(0))]);
        }
        let x = net.node("Reshape", &[x, &shape], &[]);
        net.gemm(&x, 144)
    });
    add("shape_doubled_62_times", shapes, &["Concat", "elements"]);
    let filled = middle(17, |net, x| {
        let shape = net.shape(&[1 << 20, 1 << 20]);
        let w = net.node("ConstantOfShape", &[&shape], &[]);
        net.node("MatMul", &[x, &w], &[])
    });
    add("constant_of_2_to_40", filled, &["ConstantOfShape", "elements"]);
    let squeezed = middle(17, |net, x| {
        let axes = net.shape(&[4]);
        let x = net.node("Squeeze", &[x, &axes], &[]);
        net.gemm(&x, 144)
    });
    add("squeeze_of_axis_4", squeezed, &["Squeeze", "axis 4"]);
    let nothing = middle(17, |net, x| {
        let w = net.model.initializer("none", &[144, 0], &[0_f32; 0]);
        let x = net.node("Flatten", &[x], &[]);
        net.node("Gemm", &[&x, &w], &[])
    });
    add("no_outputs", nothing, &["Gemm", "0 outputs"]);
    let doubled = edited(&plain(), |model| {
        let graph = graph(model);
        let tensor = graph.initializer[0].clone();
        graph.initializer.push(tensor);
    });
    add("initializer_twice", doubled, &["two initializers"]);
    let doubled = edited(&plain(), |model| {
        let graph = graph(model);
        let node = graph.node[1].clone();
        graph.node.push(node);
    });
    add("output_twice", doubled, &["defined already"]);
    let endless = edited(&plain(), |model| {
        let graph = graph(model);
        graph.node[0].input[0] = graph.node[1].output[0].clone();
    });
    add("circle", endless, &["computed by no earlier node"]);
    let long = image_net(17, |net, x| {
        let mut x = x.to_string();
        for _ in 0..20_000 {
            x = net.node("Identity", &[&x], &[]);
        }
        x
    });
    add("twenty_thousand_nodes", long, &["at most"]);
    let long = image_net(17, |net, x| {
        let mut x = x.to_string();
        for _ in 0..5_000 {
            x = net.node("Relu", &[&x], &[]);
        }
        x
    });
    add("five_thousand_layers", long, &["nodes"]);
    let mut empty = plain();
    // Field 7, the graph, with half a million empty nodes: two bytes each.
    let nodes = [0x0a, 0x00].repeat(1 << 19);
    empty.extend([0x3a, 0x80, 0x80, 0x40]);
    empty.extend(nodes);
    add("half_a_million_empty_nodes", empty, &["fields"]);
    kinds
}
