//! Export: a trained network as a float ONNX file.
//!
//! Input `image`, `f32 [N, C, H, W]`, is pixel / 255, as is each of several under its own name; output `logits` is `f32 [N, classes]`. The
//! batch `N` is symbolic. The same network and parameters give the same bytes.

use converter::onnx::{Attribute, Dim, Element, ElementType, ModelBuilder};
use converter::record::{self, ModelRecord};

use crate::learn::network::{IMAGE, Network, Parameter};
use crate::learn::quantization::Plan;

/// The name of the output.
const LOGITS: &str = "logits";

/// A model being exported, as the layer whose turn it is sees it.
pub struct Export {
    model: ModelBuilder,
    layer: String,
    output: String,
}

impl Export {
    /// Declares an input of this shape (channels, height, width) under the layer's name; returns that.
    pub fn input(&mut self, [channels, height, width]: [usize; 3]) -> String {
        let dims = [Dim::Symbol("N"), channels.into(), height.into(), width.into()];
        self.model.input(&self.layer, ElementType::F32, &dims)
    }

    /// Adds the tensors of this layer and returns their names.
    pub fn parameters(&mut self, parameters: &[Parameter], values: &[&[f32]]) -> Vec<String> {
        let tensor = |(p, values): (&Parameter, &&[f32])| self.tensor(p.name, &p.shape, values);
        parameters.iter().zip(values).map(tensor).collect()
    }

    /// Adds a constant tensor under the layer's name and its own, and returns that.
    pub fn tensor<T: Element>(&mut self, name: &str, shape: &[usize], values: &[T]) -> String {
        self.model.initializer(&format!("{}.{name}", self.layer), shape, values)
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

    /// Adds node `index` of those that this layer needs before [`Export::node`] and returns its
    /// output's name.
    pub fn partial_node(&mut self, operator: &str, index: usize, inputs: &[&str]) -> String {
        let name = format!("{}.{index}", self.layer);
        let output = format!("{name}.output");
        self.model.node_with_outputs(operator, &name, inputs, &[&output], &[]);
        output
    }
}

pub fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

pub fn ints(values: &[usize]) -> Attribute {
    Attribute::Ints(values.iter().map(|&value| value as i64).collect())
}

/// The ONNX file of `network` with `parameters`, the flat vector in the network's order. With a
/// `plan` its record says which exponents and bits the network was trained for.
pub fn float_onnx(network: &Network, parameters: &[f32], plan: Option<&Plan>) -> Vec<u8> {
    let mut model = ModelBuilder::new(&network.name);
    if let Some(plan) = plan {
        let mut record = ModelRecord::new(&network.name);
        record.exponents.clone_from(plan.exponents());
        record.bits.clone_from(plan.bits());
        model.metadata(record::ENTRY, &record.to_line());
    }
    let mut export = Export { model, layer: IMAGE.into(), output: String::new() };
    // Of several inputs, the sample in which they lie is no value of the file.
    let image = match network.inputs() > 1 {
        true => String::new(),
        false => export.input(network.input),
    };
    let mut names = vec![image];
    for (index, placed) in network.layers.iter().enumerate() {
        let last = index + 1 == network.layers.len();
        export.layer.clone_from(&placed.name);
        export.output = if last { LOGITS.to_string() } else { format!("{}.output", placed.name) };
        let values = network.cut(placed, parameters);
        let inputs: Vec<&str> = placed.inputs.iter().map(|&value| names[value].as_str()).collect();
        let mut name = placed.layer.export(&mut export, &inputs, &values, &placed.shapes);
        if last && name != LOGITS {
            // The layer left nothing behind that could bear the name.
            name = export.node("Identity", &[&name], &[]);
        }
        names.push(name);
    }
    export.model.output(LOGITS, ElementType::F32, &[Dim::Symbol("N"), network.classes().into()]);
    export.model.finish()
}
