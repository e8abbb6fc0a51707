//! Layers, and what stands behind the logits.

use converter::onnx::Attribute;

use super::net::{Net, ending, image_net, int, ints, middle};
use converter::pb::tensor_proto::DataType;

use super::{Expected, Kind, SIDE, converts};

pub fn layers() -> Vec<Kind> {
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

pub fn ends() -> Vec<Kind> {
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
    let logarithm = ending(17, |net, y| {
        let y = net.node("Softmax", &[y], &[]);
        net.node("Log", &[&y], &[])
    });
    let cast = ending(17, |net, y| {
        let y = net.node("ArgMax", &[y], &[("axis", int(1))]);
        net.node("Cast", &[&y], &[("to", int(DataType::Int32 as i64))])
    });
    vec![
        converts("log_of_softmax", logarithm),
        converts("arg_max_cast", cast),
        converts("softmax", ending(17, one("Softmax", &[("axis", -1)]))),
        converts("softmax_early", ending(11, one("Softmax", &[]))),
        converts("log_softmax", ending(17, one("LogSoftmax", &[("axis", 1)]))),
        converts("sigmoid", ending(17, one("Sigmoid", &[]))),
        converts("softmax_in_company", company),
        converts("arg_max_of_softmax", class),
    ]
}
