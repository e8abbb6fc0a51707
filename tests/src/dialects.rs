//! One small network in the forms in which exporters write it.

use converter::onnx::{Attribute, Dim, ElementType, ModelBuilder};
use converter::pb;
use prost::Message;

/// How a file writes the network.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    pub opset: i64,
    /// Fully connected layers: Gemm with this `transB`, or MatMul followed by Add.
    pub gemm_trans_b: Option<bool>,
    pub flatten: Flatten,
    pub batch: Batch,
    /// Weights as Constant nodes rather than initializers.
    pub constants: bool,
    /// Batch norm behind the first convolution.
    pub batch_norm: bool,
    /// `[N, H, W, C]` outside, transposed around the convolutions, as tf2onnx does for Keras.
    pub channels_last: bool,
    pub relu_after_pool: bool,
    pub softmax: bool,
    pub dropout: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Flatten {
    Flatten,
    Reshape,
    /// `x.view(x.size(0), -1)` as PyTorch traces it: Shape, Gather, Unsqueeze, Concat, Reshape.
    ShapeComputation,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Batch {
    Dynamic,
    Fixed(usize),
}

/// What this project's trainer writes.
pub const PLAIN: Dialect = Dialect {
    opset: 17,
    gemm_trans_b: Some(true),
    flatten: Flatten::Flatten,
    batch: Batch::Dynamic,
    constants: false,
    batch_norm: false,
    channels_last: false,
    relu_after_pool: false,
    softmax: false,
    dropout: false,
};

pub const SIDE: usize = 12;
pub const CLASSES: usize = 5;
const CHANNELS: [usize; 2] = [4, 6];
/// After a 3×3 convolution padded by 1, pooling by 2, a 3×3 convolution with stride 2 and a pad
/// at the bottom and right only.
const PIXELS: usize = 3;

/// conv 1→4 3×3 pad 1 · relu · maxpool 2 · conv 4→6 3×3 stride 2 · relu · fc 54→16 · relu · fc 16→5
/// with weights from `seed`, the same ones in every dialect.
pub fn network(seed: u64, dialect: &Dialect) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut random = |count: usize, scale: f32| -> Vec<f32> {
        (0..count).map(|_| (rng.f32() * 2.0 - 1.0) * scale).collect()
    };
    let [first, second] = CHANNELS;
    let flat = second * PIXELS * PIXELS;
    let conv1 = (random(first * 9, 0.5), random(first, 0.2));
    let norm = [random(first, 0.5), random(first, 0.3), random(first, 0.3), random(first, 0.4)];
    let conv2 = (random(second * first * 9, 0.3), random(second, 0.2));
    let hidden = (random(16 * flat, 0.25), random(16, 0.2));
    let last = (random(CLASSES * 16, 0.4), random(CLASSES, 0.3));

    let mut model = ModelBuilder::new("dialect").with_opset(dialect.opset);
    let batch = match dialect.batch {
        Batch::Dynamic => Dim::Symbol("batch"),
        Batch::Fixed(size) => Dim::Fixed(size),
    };
    let side = Dim::Fixed(SIDE);
    let dims = match dialect.channels_last {
        true => [batch.clone(), side.clone(), side, Dim::Fixed(1)],
        false => [batch.clone(), Dim::Fixed(1), side.clone(), side],
    };
    let mut x = model.input("input", ElementType::F32, &dims);
    if dialect.channels_last {
        x = model.node(
            "Transpose",
            "to_nchw",
            &[&x],
            &[("perm", Attribute::Ints(vec![0, 3, 1, 2]))],
        );
    }
    let ints = |values: &[i64]| Attribute::Ints(values.to_vec());

    let w = model.initializer("conv1.weight", &[first, 1, 3, 3], &conv1.0);
    let b = model.initializer("conv1.bias", &[first], &conv1.1);
    x = model.node(
        "Conv",
        "conv1",
        &[&x, &w, &b],
        &[("kernel_shape", ints(&[3, 3])), ("pads", ints(&[1, 1, 1, 1]))],
    );
    if dialect.batch_norm {
        let names = ["gamma", "beta", "mean", "variance"];
        let mut inputs = vec![x.clone()];
        for (name, values) in names.iter().zip(&norm) {
            // A variance and a useful gamma are positive.
            let values: Vec<f32> = match *name {
                "variance" | "gamma" => values.iter().map(|v| v.abs() + 0.5).collect(),
                _ => values.clone(),
            };
            inputs.push(model.initializer(name, &[first], &values));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        x = model.node(
            "BatchNormalization",
            "norm",
            &inputs,
            &[("epsilon", Attribute::Float(1e-5))],
        );
    }
    if !dialect.relu_after_pool {
        x = model.node("Relu", "relu1", &[&x], &[]);
    }
    x = model.node(
        "MaxPool",
        "pool1",
        &[&x],
        &[("kernel_shape", ints(&[2, 2])), ("strides", ints(&[2, 2]))],
    );
    if dialect.relu_after_pool {
        x = model.node("Relu", "relu1", &[&x], &[]);
    }
    let w = model.initializer("conv2.weight", &[second, first, 3, 3], &conv2.0);
    let b = model.initializer("conv2.bias", &[second], &conv2.1);
    let conv2 = [
        ("kernel_shape", ints(&[3, 3])),
        ("strides", ints(&[2, 2])),
        ("pads", ints(&[0, 0, 1, 1])),
    ];
    x = model.node("Conv", "conv2", &[&x, &w, &b], &conv2);
    x = model.node("Relu", "relu2", &[&x], &[]);
    if dialect.channels_last {
        x = model.node(
            "Transpose",
            "to_nhwc",
            &[&x],
            &[("perm", Attribute::Ints(vec![0, 2, 3, 1]))],
        );
    }
    x = flatten(&mut model, dialect, &x, flat);
    if dialect.dropout {
        x = model.node("Dropout", "dropout", &[&x], &[]);
    }
    // The same function whatever the order of the vector: columns follow the pixels.
    let columns = |weights: &[f32]| -> Vec<f32> {
        let place = |element: usize| match dialect.channels_last {
            true => (element % second) * PIXELS * PIXELS + element / second,
            false => element,
        };
        weights
            .chunks(flat)
            .flat_map(|row| (0..flat).map(|e| row[place(e)]).collect::<Vec<_>>())
            .collect()
    };
    x = fully_connected(&mut model, dialect, "fc1", &x, &columns(&hidden.0), &hidden.1);
    x = model.node("Relu", "relu3", &[&x], &[]);
    x = fully_connected(&mut model, dialect, "fc2", &x, &last.0, &last.1);
    if dialect.softmax {
        x = model.node("Softmax", "softmax", &[&x], &[("axis", Attribute::Int(1))]);
    }
    model.output(&x, ElementType::F32, &[batch, CLASSES.into()]);
    let bytes = model.finish();
    if dialect.constants { as_constants(&bytes) } else { bytes }
}

fn flatten(model: &mut ModelBuilder, dialect: &Dialect, x: &str, flat: usize) -> String {
    match dialect.flatten {
        Flatten::Flatten => model.node("Flatten", "flatten", &[x], &[("axis", Attribute::Int(1))]),
        Flatten::Reshape => {
            let shape = model.initializer("flat_shape", &[2], &[-1_i64, flat as i64]);
            model.node("Reshape", "flatten", &[x, &shape], &[])
        }
        Flatten::ShapeComputation => {
            let shape = model.node("Shape", "shape", &[x], &[]);
            let zero = model.initializer("zero", &[], &[0_i64]);
            let batch = model.node(
                "Gather",
                "batch_size",
                &[&shape, &zero],
                &[("axis", Attribute::Int(0))],
            );
            let batch = if dialect.opset < 13 {
                model.node(
                    "Unsqueeze",
                    "batch_1d",
                    &[&batch],
                    &[("axes", Attribute::Ints(vec![0]))],
                )
            } else {
                let axes = model.initializer("axes", &[1], &[0_i64]);
                model.node("Unsqueeze", "batch_1d", &[&batch, &axes], &[])
            };
            let rest = model.initializer("rest", &[1], &[-1_i64]);
            let target =
                model.node("Concat", "target", &[&batch, &rest], &[("axis", Attribute::Int(0))]);
            model.node("Reshape", "flatten", &[x, &target], &[])
        }
    }
}

fn fully_connected(
    model: &mut ModelBuilder,
    dialect: &Dialect,
    name: &str,
    x: &str,
    weights: &[f32],
    bias: &[f32],
) -> String {
    let (out, size) = (bias.len(), weights.len() / bias.len());
    let transposed: Vec<f32> =
        (0..size).flat_map(|i| (0..out).map(move |o| o * size + i)).map(|at| weights[at]).collect();
    let b = model.initializer(&format!("{name}.bias"), &[out], bias);
    let weight = format!("{name}.weight");
    match dialect.gemm_trans_b {
        Some(true) => {
            let w = model.initializer(&weight, &[out, size], weights);
            model.node("Gemm", name, &[x, &w, &b], &[("transB", Attribute::Int(1))])
        }
        Some(false) => {
            let w = model.initializer(&weight, &[size, out], &transposed);
            model.node("Gemm", name, &[x, &w, &b], &[])
        }
        None => {
            let w = model.initializer(&weight, &[size, out], &transposed);
            let product = model.node("MatMul", &format!("{name}_product"), &[x, &w], &[]);
            model.node("Add", name, &[&product, &b], &[])
        }
    }
}

/// Turns every initializer into a Constant node.
fn as_constants(bytes: &[u8]) -> Vec<u8> {
    use pb::attribute_proto::AttributeType;
    let mut model = pb::ModelProto::decode(bytes).expect("our own model decodes");
    let graph = model.graph.as_mut().expect("our own model has a graph");
    let constants = graph.initializer.drain(..).map(|tensor| pb::NodeProto {
        op_type: "Constant".into(),
        output: vec![tensor.name.clone()],
        attribute: vec![pb::AttributeProto {
            name: "value".into(),
            r#type: AttributeType::Tensor as i32,
            t: Some(tensor),
            ..Default::default()
        }],
        ..Default::default()
    });
    let mut nodes: Vec<_> = constants.collect();
    nodes.append(&mut graph.node);
    graph.node = nodes;
    model.encode_to_vec()
}
