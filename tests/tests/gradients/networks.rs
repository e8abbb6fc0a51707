//! The networks whose gradients are checked, as this test understands them.

use trainer::learn::network::{
    Add, AveragePool2d, BatchNorm, BoundedRelu, Concat, Conv2d, Dropout, Flatten, FullyConnected,
    GlobalAveragePool, HardSwish, Layer, LeakyRelu, MaxPool2d, Network, Node, Relu, Sigmoid,
    Window, ZeroPad2d,
};

/// A layer as this file understands it. Windows are [height, width] of kernel, stride, padding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spec {
    /// Channels, groups, window, bias.
    Conv(usize, usize, [[usize; 2]; 3], bool),
    Relu,
    Relu6,
    Leaky(f32),
    HardSwish,
    Sigmoid,
    Pool([usize; 2], [usize; 2]),
    Average([usize; 2], [usize; 2]),
    GlobalAverage,
    Norm,
    Dropout(f32),
    Add,
    Concat,
    Flatten,
    Full(usize),
    /// Before, after.
    Pad([usize; 2], [usize; 2]),
}

impl Spec {
    pub fn build(self) -> Box<dyn Layer> {
        match self {
            Spec::Conv(out_channels, groups, [kernel, stride, padding], bias) => {
                let [top, left] = padding;
                let padding = [top, left, top, left];
                let window = Window { stride, padding, ..Window::new(kernel) };
                Box::new(Conv2d { out_channels, window, groups, bias })
            }
            Spec::Relu => Box::new(Relu),
            Spec::Relu6 => Box::new(BoundedRelu::RELU6),
            Spec::Leaky(slope) => Box::new(LeakyRelu { slope }),
            Spec::HardSwish => Box::new(HardSwish),
            Spec::Sigmoid => Box::new(Sigmoid),
            Spec::Pool(kernel, stride) => {
                Box::new(MaxPool2d { window: Window { stride, ..Window::new(kernel) } })
            }
            Spec::Average(kernel, stride) => {
                Box::new(AveragePool2d { window: Window { stride, ..Window::new(kernel) } })
            }
            Spec::GlobalAverage => Box::new(GlobalAveragePool),
            Spec::Norm => Box::new(BatchNorm),
            Spec::Dropout(rate) => Box::new(Dropout { rate }),
            Spec::Pad(before, after) => Box::new(ZeroPad2d { before, after }),
            Spec::Add => Box::new(Add),
            Spec::Concat => Box::new(Concat),
            Spec::Flatten => Box::new(Flatten),
            Spec::Full(outputs) => Box::new(FullyConnected { outputs }),
        }
    }
}

/// A layer with the numbers of the values it reads: 0 is the image, `i + 1` the result of layer `i`.
pub type Listed = (Spec, Vec<usize>);

/// Every layer reads the one before.
pub fn chain(specs: &[Spec]) -> Vec<Listed> {
    specs.iter().enumerate().map(|(index, &spec)| (spec, vec![index])).collect()
}

pub fn network(input: [usize; 3], listed: &[Listed]) -> Network {
    let node = |(index, (spec, inputs)): (usize, &Listed)| Node {
        name: format!("layer{index}"),
        layer: spec.build(),
        inputs: inputs.clone(),
    };
    let nodes = listed.iter().enumerate().map(node).collect();
    Network::new("checked", input, nodes).expect("the test's network is valid")
}

pub fn conv(out: usize, kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Spec {
    Spec::Conv(out, 1, [kernel, stride, padding], true)
}

/// A square convolution that keeps the size, without a bias.
pub fn same(out: usize, groups: usize, kernel: usize) -> Spec {
    Spec::Conv(out, groups, [[kernel; 2], [1; 2], [kernel / 2; 2]], false)
}

pub fn simple_specs() -> Vec<Listed> {
    chain(&[
        conv(10, [5, 5], [1, 1], [0, 0]),
        Spec::Relu,
        Spec::Pool([2, 2], [2, 2]),
        conv(20, [5, 5], [1, 1], [0, 0]),
        Spec::Relu,
        Spec::Pool([2, 2], [2, 2]),
        Spec::Flatten,
        Spec::Full(50),
        Spec::Relu,
        Spec::Full(10),
    ])
}

pub fn cases() -> Vec<(&'static str, [usize; 3], Vec<Listed>)> {
    vec![
        ("fully connected", [1, 4, 5], chain(&[Spec::Flatten, Spec::Full(3)])),
        ("relu", [2, 3, 3], chain(&[Spec::Flatten, Spec::Full(9), Spec::Relu, Spec::Full(4)])),
        (
            "convolutions without padding",
            [1, 9, 8],
            chain(&[
                conv(3, [3, 2], [1, 1], [0, 0]),
                conv(2, [2, 4], [1, 1], [0, 0]),
                Spec::Flatten,
                Spec::Full(3),
            ]),
        ),
        (
            "convolutions with stride and padding",
            [2, 7, 6],
            chain(&[
                conv(3, [3, 2], [2, 1], [1, 1]),
                conv(4, [3, 5], [1, 2], [2, 3]),
                conv(2, [2, 2], [3, 2], [0, 1]),
                Spec::Flatten,
                Spec::Full(3),
            ]),
        ),
        (
            "zeros around an image",
            [1, 5, 6],
            chain(&[
                conv(2, [2, 2], [1, 1], [0, 0]),
                Spec::Pad([0, 2], [1, 0]),
                conv(3, [3, 3], [2, 2], [0, 0]),
                Spec::Pad([1, 0], [0, 1]),
                Spec::Average([2, 2], [1, 1]),
                Spec::Flatten,
                Spec::Full(3),
            ]),
        ),
        (
            "pooling that covers the image",
            [1, 9, 9],
            chain(&[
                conv(3, [2, 2], [1, 1], [0, 0]),
                Spec::Relu,
                Spec::Pool([2, 2], [2, 2]),
                Spec::Flatten,
                Spec::Full(2),
            ]),
        ),
        (
            "pooling that overlaps",
            [1, 9, 8],
            chain(&[
                conv(2, [2, 2], [1, 1], [0, 0]),
                Spec::Pool([3, 2], [2, 1]),
                conv(3, [2, 2], [1, 1], [1, 1]),
                Spec::Relu,
                Spec::Pool([3, 3], [1, 2]),
                Spec::Flatten,
                Spec::Full(3),
            ]),
        ),
        (
            "pooling side by side that leaves a rest",
            [2, 9, 10],
            chain(&[
                conv(3, [2, 2], [1, 1], [0, 0]),
                Spec::Pool([3, 2], [3, 2]),
                conv(2, [1, 1], [1, 1], [0, 0]),
                Spec::Pool([1, 3], [1, 3]),
                Spec::Flatten,
                Spec::Full(3),
            ]),
        ),
        (
            "pooling that leaves gaps and a rest",
            [2, 11, 10],
            chain(&[
                conv(3, [2, 2], [1, 1], [0, 0]),
                Spec::Pool([1, 2], [3, 4]),
                Spec::Flatten,
                Spec::Relu,
                Spec::Full(3),
            ]),
        ),
        (
            "pointwise and depthwise",
            [2, 6, 7],
            chain(&[
                conv(4, [1, 1], [1, 1], [0, 0]),
                Spec::Conv(4, 4, [[3, 3], [2, 1], [1, 1]], true),
                Spec::Relu,
                Spec::Conv(4, 4, [[1, 1], [1, 1], [0, 0]], false),
                conv(3, [1, 1], [2, 2], [0, 0]),
                same(6, 1, 1),
                Spec::Flatten,
                Spec::Full(3),
            ]),
        ),
        (
            "a gate",
            [1, 6, 6],
            chain(&[
                conv(4, [3, 3], [1, 1], [0, 0]),
                Spec::Sigmoid,
                Spec::Flatten,
                Spec::Full(6),
                Spec::Sigmoid,
                Spec::Full(3),
            ]),
        ),
        (
            "groups",
            [4, 6, 5],
            chain(&[
                Spec::Conv(6, 2, [[3, 2], [1, 1], [1, 0]], true),
                Spec::Leaky(0.3),
                Spec::Conv(9, 3, [[2, 3], [2, 1], [0, 1]], false),
                Spec::Conv(18, 9, [[2, 2], [1, 1], [1, 1]], true),
                Spec::Flatten,
                Spec::Full(3),
            ]),
        ),
        (
            "average pooling",
            [1, 11, 10],
            chain(&[
                conv(3, [2, 2], [1, 1], [0, 0]),
                Spec::Average([3, 2], [2, 1]),
                conv(4, [2, 2], [1, 1], [1, 1]),
                Spec::Average([1, 2], [2, 3]),
                Spec::Relu,
                Spec::Average([1, 1], [1, 1]),
                conv(3, [2, 2], [1, 1], [0, 0]),
                Spec::GlobalAverage,
                Spec::Flatten,
            ]),
        ),
        (
            "leaky relu in front of pooling",
            [1, 8, 8],
            chain(&[
                conv(4, [3, 3], [1, 1], [1, 1]),
                Spec::Leaky(0.125),
                Spec::Pool([2, 2], [2, 2]),
                Spec::Flatten,
                Spec::Leaky(0.01),
                Spec::Full(3),
            ]),
        ),
        (
            "batch norm",
            [2, 5, 6],
            chain(&[
                same(4, 1, 3),
                Spec::Norm,
                Spec::Relu,
                Spec::Pool([2, 2], [2, 2]),
                Spec::Conv(6, 2, [[2, 2], [1, 1], [0, 0]], true),
                Spec::Norm,
                Spec::Leaky(0.2),
                Spec::Flatten,
                Spec::Full(5),
                Spec::Norm,
                Spec::Full(3),
            ]),
        ),
        (
            "batch norm on the image and on the logits",
            [2, 4, 4],
            chain(&[Spec::Norm, same(3, 1, 3), Spec::GlobalAverage, Spec::Flatten, Spec::Norm]),
        ),
        (
            "dropout",
            [1, 6, 6],
            chain(&[
                Spec::Dropout(0.3),
                same(3, 1, 3),
                Spec::Dropout(0.5),
                Spec::Flatten,
                Spec::Full(8),
                Spec::Relu,
                Spec::Dropout(0.25),
                Spec::Full(3),
            ]),
        ),
        (
            "residual: a value read three times, one of them through a strided shortcut",
            [1, 8, 8],
            vec![
                (same(4, 1, 3), vec![0]),
                (Spec::Norm, vec![1]),
                (Spec::Relu, vec![2]),
                (same(4, 1, 3), vec![3]),
                (Spec::Norm, vec![4]),
                (Spec::Add, vec![5, 3, 1]),
                (Spec::Relu, vec![6]),
                (Spec::Conv(3, 1, [[3, 3], [2, 2], [1, 1]], false), vec![7]),
                (Spec::Conv(3, 1, [[1, 1], [2, 2], [0, 0]], false), vec![7]),
                (Spec::Add, vec![8, 9]),
                (Spec::Flatten, vec![10]),
                (Spec::Full(3), vec![11]),
            ],
        ),
        (
            "dense: concatenations with the image among them, one value twice in one layer",
            [2, 6, 6],
            vec![
                (same(3, 1, 3), vec![0]),
                (Spec::Relu, vec![1]),
                (Spec::Concat, vec![0, 2]),
                (same(2, 1, 3), vec![3]),
                (Spec::Leaky(0.1), vec![4]),
                (Spec::Concat, vec![3, 5, 2]),
                (Spec::Norm, vec![6]),
                (Spec::Add, vec![7, 7]),
                (Spec::Average([2, 2], [2, 2]), vec![8]),
                (Spec::Flatten, vec![9]),
                (Spec::Full(3), vec![10]),
            ],
        ),
        (
            "a relu that pooling and another layer read, and a relu two places before its pooling",
            [1, 6, 6],
            vec![
                (same(3, 1, 3), vec![0]),
                (Spec::Relu, vec![1]),
                (Spec::Pool([2, 2], [2, 2]), vec![2]),
                (Spec::Conv(3, 1, [[2, 2], [2, 2], [0, 0]], true), vec![2]),
                (Spec::Relu, vec![4]),
                (conv(3, [2, 2], [2, 2], [0, 0]), vec![0]),
                (Spec::Pool([1, 1], [1, 1]), vec![5]),
                (Spec::Add, vec![3, 7, 6]),
                (Spec::Flatten, vec![8]),
                (Spec::Full(3), vec![9]),
            ],
        ),
        ("simple", [1, 28, 28], simple_specs()),
    ]
}
