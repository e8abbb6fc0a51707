//! QOperator form, written as QDQ form: an operator on integers becomes the float operator between
//! DequantizeLinear and QuantizeLinear, which ONNX Runtime computes by the same kernel.

use std::collections::HashMap;

use crate::interpreter::attributes::Attributes;
use crate::pb;
use crate::read::{File, ReadError, is_standard, node_name};

/// The domain of ONNX Runtime's own operators.
const MICROSOFT: &str = "com.microsoft";

/// Whether a file computes with quantized values, rather than only keeping its weights quantized.
pub fn is_quantized(file: &File) -> bool {
    file.graph.node.iter().any(|node| {
        node.op_type == "QuantizeLinear"
            || node.op_type.starts_with("QLinear")
            || node.op_type == "QGemm"
    }) || reads_input_as_integers(file)
}

/// The input is dequantized at once.
fn reads_input_as_integers(file: &File) -> bool {
    file.inputs().any(|input| {
        file.graph.node.iter().any(|node| {
            node.op_type == "DequantizeLinear" && node.input.first() == Some(&input.name)
        })
    })
}

/// Scale and zero point by the names of their tensors; no zero point where its name is empty.
#[derive(Clone, Debug)]
struct Names {
    scale: String,
    zero: String,
}

/// A graph being rewritten.
struct Plain {
    nodes: Vec<pb::NodeProto>,
    /// How the integers behind a name are quantized.
    quantized: HashMap<String, Names>,
    fresh: usize,
}

/// Writes all operators on integers of a graph as float operators between DequantizeLinear and
/// QuantizeLinear; returns whether there were any.
///
/// # Errors
///
/// A node whose integers nothing says the scale of, or with an input missing.
pub fn write_as_qdq(graph: &mut pb::GraphProto) -> Result<bool, ReadError> {
    let old = std::mem::take(&mut graph.node);
    let mut plain = Plain { nodes: Vec::new(), quantized: HashMap::new(), fresh: 0 };
    // The input's scale stands where it is read.
    for node in &old {
        if node.op_type == "DequantizeLinear"
            && let Some(input) = node.input.first()
            && graph.input.iter().any(|declared| declared.name == *input)
        {
            let names = names(node, 1)?;
            plain.quantized.insert(input.clone(), names);
        }
    }
    for node in old {
        plain.node(node)?;
    }
    graph.node = plain.nodes;
    Ok(plain.fresh > 0)
}

/// The scale and zero point at inputs `at` and `at + 1`.
fn names(node: &pb::NodeProto, at: usize) -> Result<Names, ReadError> {
    let scale = input(node, at)?;
    let zero = node.input.get(at + 1).cloned().unwrap_or_default();
    Ok(Names { scale, zero })
}

fn input(node: &pb::NodeProto, at: usize) -> Result<String, ReadError> {
    match node.input.get(at) {
        Some(name) if !name.is_empty() => Ok(name.clone()),
        _ => Err(wrong(node, format!("input {at} is missing"))),
    }
}

fn wrong(node: &pb::NodeProto, what: impl Into<String>) -> ReadError {
    ReadError::Node { node: node_name(node).into(), op: node.op_type.clone(), what: what.into() }
}

impl Plain {
    fn node(&mut self, mut node: pb::NodeProto) -> Result<(), ReadError> {
        // ONNX Runtime's own form of the standard's operators.
        if node.domain == MICROSOFT
            && matches!(node.op_type.as_str(), "QuantizeLinear" | "DequantizeLinear")
        {
            node.domain.clear();
        }
        let ours = is_standard(&node.domain) || node.domain == MICROSOFT;
        let output = node.output.first().cloned().unwrap_or_default();
        match node.op_type.as_str() {
            "QuantizeLinear" => {
                self.quantized.insert(output, names(&node, 1)?);
                self.nodes.push(node);
            }
            op if ours && (op.starts_with("QLinear") || op == "QGemm") => self.operator(node)?,
            // What moves or selects integers keeps their scale.
            "MaxPool" | "Reshape" | "Flatten" | "Transpose" | "Squeeze" | "Unsqueeze"
            | "Identity"
                if node.input.first().is_some_and(|name| self.quantized.contains_key(name)) =>
            {
                let from = input(&node, 0)?;
                let scale = self.quantized[&from].clone();
                node.input[0] = self.dequantized(&node, &from, &scale, None);
                self.float(node, scale);
            }
            _ => self.nodes.push(node),
        }
        Ok(())
    }

    fn operator(&mut self, node: pb::NodeProto) -> Result<(), ReadError> {
        if Attributes(&node).int("channels_last", 0) != 0 {
            return Err(wrong(
                &node,
                "was optimized by ONNX Runtime for its own layout; convert the file from before",
            ));
        }
        // Which inputs are (value, scale, zero point), and where the result's scale stands.
        let op = node.op_type.trim_start_matches("QLinear").to_string();
        let (float, values, result): (&str, &[usize], usize) = match op.as_str() {
            "Conv" => ("Conv", &[0, 3], 6),
            "MatMul" => ("MatMul", &[0, 3], 6),
            "QGemm" => ("Gemm", &[0, 3], 7),
            "Add" => ("Add", &[0, 3], 6),
            "Mul" => ("Mul", &[0, 3], 6),
            "GlobalAveragePool" => ("GlobalAveragePool", &[0], 3),
            "AveragePool" => ("AveragePool", &[0], 3),
            "LeakyRelu" => ("LeakyRelu", &[0], 3),
            "Sigmoid" => ("Sigmoid", &[0], 3),
            "Softmax" => ("Softmax", &[0], 3),
            "Concat" => return self.concat(node),
            _ => {
                return Err(wrong(
                    &node,
                    "is not supported; quantize the model with the operators Add, AveragePool, \
                     Concat, Conv, Gemm, GlobalAveragePool, LeakyRelu, MatMul, Mul, Sigmoid",
                ));
            }
        };
        let mut inputs = Vec::new();
        let mut weights = None;
        for (number, &at) in values.iter().enumerate() {
            let (name, scale) = (input(&node, at)?, names(&node, at + 1)?);
            // Weights have their scales along the output channels.
            let axis = match (number, float) {
                (1, "Conv") => Some(0),
                (1, "Gemm") if Attributes(&node).int("transB", 0) != 0 => Some(0),
                (1, "Gemm" | "MatMul") => Some(1),
                _ => None,
            };
            if axis.is_some() {
                weights = Some(scale.clone());
            }
            inputs.push(self.dequantized(&node, &name, &scale, axis));
        }
        let bias = match float {
            "Conv" => node.input.get(8),
            "Gemm" => node.input.get(6),
            _ => None,
        };
        if let (Some(bias), Some(weights)) = (bias.filter(|name| !name.is_empty()), weights) {
            // In units of the product of both scales, along the only axis.
            let scale = self.name();
            let factors = vec![names(&node, values[0] + 1)?.scale, weights.scale];
            self.nodes.push(pb::NodeProto {
                op_type: "Mul".into(),
                name: node_name(&node).into(),
                input: factors,
                output: vec![scale.clone()],
                ..Default::default()
            });
            let scale = Names { scale, zero: String::new() };
            inputs.push(self.dequantized(&node, bias, &scale, Some(0)));
        }
        let mut attributes = node.attribute.clone();
        attributes
            .retain(|attribute| !["channels_last", "opset"].contains(&attribute.name.as_str()));
        let result = match node.input.get(result) {
            Some(name) if !name.is_empty() => Some(names(&node, result)?),
            _ => None,
        };
        let plain = pb::NodeProto {
            op_type: float.into(),
            domain: String::new(),
            input: inputs,
            attribute: attributes,
            ..node
        };
        match result {
            Some(scale) => self.float(plain, scale),
            None => self.nodes.push(plain),
        }
        Ok(())
    }

    /// QLinearConcat names the result's scale first, then each value with its own.
    fn concat(&mut self, node: pb::NodeProto) -> Result<(), ReadError> {
        let result = names(&node, 0)?;
        let mut inputs = Vec::new();
        for at in (2..node.input.len()).step_by(3) {
            let (name, scale) = (input(&node, at)?, names(&node, at + 1)?);
            inputs.push(self.dequantized(&node, &name, &scale, None));
        }
        let plain = pb::NodeProto {
            op_type: "Concat".into(),
            domain: String::new(),
            input: inputs,
            ..node
        };
        self.float(plain, result);
        Ok(())
    }

    /// A float operator with a QuantizeLinear behind it, which gives what the operator gave.
    fn float(&mut self, mut node: pb::NodeProto, scale: Names) {
        let output = node.output.first().cloned().unwrap_or_default();
        let float = self.name();
        if node.name.is_empty() {
            node.name.clone_from(&output);
        }
        let name = node.name.clone();
        node.output = vec![float.clone()];
        self.nodes.push(node);
        let mut input = vec![float, scale.scale.clone()];
        if !scale.zero.is_empty() {
            input.push(scale.zero.clone());
        }
        self.quantized.insert(output.clone(), scale);
        self.nodes.push(pb::NodeProto {
            op_type: "QuantizeLinear".into(),
            name,
            input,
            output: vec![output],
            ..Default::default()
        });
    }

    /// The name of an integer tensor's floats.
    fn dequantized(
        &mut self,
        node: &pb::NodeProto,
        tensor: &str,
        scale: &Names,
        axis: Option<i64>,
    ) -> String {
        let name = self.name();
        let mut input = vec![tensor.to_string(), scale.scale.clone()];
        if !scale.zero.is_empty() {
            input.push(scale.zero.clone());
        }
        let axis = axis.map(|axis| pb::AttributeProto {
            name: "axis".into(),
            r#type: pb::attribute_proto::AttributeType::Int.into(),
            i: axis,
            ..Default::default()
        });
        self.nodes.push(pb::NodeProto {
            op_type: "DequantizeLinear".into(),
            name: node_name(node).into(),
            input,
            output: vec![name.clone()],
            attribute: axis.into_iter().collect(),
            ..Default::default()
        });
        name
    }

    /// A name that no file uses.
    fn name(&mut self) -> String {
        self.fresh += 1;
        format!("\u{0}{}", self.fresh)
    }
}
