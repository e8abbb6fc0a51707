//! Export: a trained network as a float ONNX file.
//!
//! Input `image`, `f32 [N, C, H, W]`, is pixel / 255; output `logits` is `f32 [N, classes]`. The
//! batch `N` is symbolic. The same network and parameters give the same bytes.

use converter::onnx::{Attribute, Dim, ElementType, ModelBuilder};

use crate::network::{Network, Parameter};

/// A model being exported, as the layer whose turn it is sees it.
pub struct Export {
    model: ModelBuilder,
    layer: String,
    output: String,
}

impl Export {
    /// Adds a trained tensor of this layer and returns its name.
    pub fn parameter(&mut self, parameter: &Parameter, values: &[f32]) -> String {
        let name = format!("{}.{}", self.layer, parameter.name);
        self.model.initializer(&name, &parameter.shape, values)
    }

    /// Adds the node that gives this layer's output and returns the output's name.
    pub fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> String {
        let outputs = [self.output.as_str()];
        self.model.node_with_outputs(operator, &self.layer, inputs, &outputs, attributes);
        self.output.clone()
    }
}

pub fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

pub fn ints(values: &[usize]) -> Attribute {
    Attribute::Ints(values.iter().map(|&value| value as i64).collect())
}

/// The ONNX file of `network` with `parameters`, the flat vector in the network's order.
pub fn float_onnx(network: &Network, parameters: &[f32]) -> Vec<u8> {
    let mut model = ModelBuilder::new(&network.name);
    let [channels, height, width] = network.input;
    let batch = Dim::Symbol("N");
    let image = [batch.clone(), channels.into(), height.into(), width.into()];
    let mut x = model.input("image", ElementType::F32, &image);
    let mut export = Export { model, layer: String::new(), output: String::new() };
    for (index, placed) in network.layers.iter().enumerate() {
        let last = index + 1 == network.layers.len();
        export.layer.clone_from(&placed.name);
        export.output = if last { "logits".to_string() } else { format!("{}.output", placed.name) };
        let values = network.cut(placed, parameters);
        x = placed.layer.export(&mut export, &x, &values, placed.input);
    }
    export.model.output(&x, ElementType::F32, &[batch, network.classes().into()]);
    export.model.finish()
}
