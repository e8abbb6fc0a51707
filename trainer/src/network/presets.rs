//! Networks with a name.

use super::{
    Conv2d, Flatten, FullyConnected, Layer, MaxPool2d, Network, NetworkError, Relu, Window,
};

/// The reference network: two 5×5 convolutions of 10 and 20 channels, each followed by ReLU and
/// 2×2 max pooling, then fully connected layers of 50 and `classes` outputs. For 28×28 images and
/// 10 classes it has 21,840 parameters.
pub fn simple(input: [usize; 3], classes: usize) -> Result<Network, NetworkError> {
    let conv = |out_channels| Box::new(Conv2d { out_channels, window: Window::square(5, 1) });
    let pool = || Box::new(MaxPool2d { window: Window::square(2, 2) });
    let layers: Vec<(&str, Box<dyn Layer>)> = vec![
        ("conv1", conv(10)),
        ("relu1", Box::new(Relu)),
        ("pool1", pool()),
        ("conv2", conv(20)),
        ("relu2", Box::new(Relu)),
        ("pool2", pool()),
        ("flatten", Box::new(Flatten)),
        ("fc1", Box::new(FullyConnected { outputs: 50 })),
        ("relu3", Box::new(Relu)),
        ("fc2", Box::new(FullyConnected { outputs: classes })),
    ];
    let layers = layers.into_iter().map(|(name, layer)| (name.to_string(), layer)).collect();
    Network::new("simple", input, layers)
}
