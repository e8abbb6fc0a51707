//! What nothing can compute exactly, and files that lie.

use converter::pb;
use converter::pb::tensor_proto::DataType;

use super::net::{Net, edited, ending, graph, image_net, int, ints, middle, plain};
use super::{Kind, SIDE, refused};

pub fn refusals() -> Vec<Kind> {
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
        graph.output.push(graph.output[0].clone());
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
        refused("an_output_twice", two, &["two outputs are called"]),
        refused(
            "softmax_over_batch",
            ending(17, |net, y| net.node("Softmax", &[y], &[("axis", int(0))])),
            &["Softmax", "over the batch"],
        ),
        refused(
            "log",
            middle(17, |net, x| net.node("Log", &[x], &[])),
            &["Log", "right behind a Softmax only"],
        ),
        refused("moved_elements", turned, &["Conv", "no kernel moves elements"]),
        refused("unknown_attribute", attribute, &["Relu", "\"slope\""]),
        refused("recurrent", recurrent, &["GRU", "recurrent"]),
        refused(
            "attention",
            ending(17, |net, y| {
                let turned = net.node("Transpose", &[y], &[("perm", ints(&[1, 0]))]);
                net.node("MatMul", &[&turned, y], &[])
            }),
            &["MatMul", "as attention does"],
        ),
        refused("quantized", quantized, &["QuantizeLinear", "already quantized"]),
    ]
}

pub fn hostile() -> Vec<Kind> {
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
