//! Constants that are computed in the file, of every type, and local functions.

use converter::pb;
use converter::pb::tensor_proto::DataType;

use super::net::{Net, edited, graph, image_net, int, ints, middle, plain};
use super::{Kind, SIDE, converts};

pub fn constants() -> Vec<Kind> {
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
