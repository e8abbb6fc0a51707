//! How images come in, and through which shapes.

use converter::onnx::ElementType;
use converter::pb;
use converter::pb::tensor_proto::DataType;

use super::net::{Net, edited, graph, image_net, int, ints, middle, plain};
use super::{CLASSES, Expected, Kind, SIDE, converts};

pub fn inputs() -> Vec<Kind> {
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

pub fn shapes() -> Vec<Kind> {
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
