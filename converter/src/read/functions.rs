//! Local functions: nodes that stand for others, which are written out before a graph is read.

use std::collections::HashMap;

use crate::pb;
use prost::Message;

use super::{ReadError, is_standard, node_name};
use crate::limits::NODES;

/// How deep functions may call functions.
const DEPTH: usize = 16;

/// The part of a model that tract's types leave out.
#[derive(Clone, PartialEq, Message)]
struct WithFunctions {
    #[prost(message, repeated, tag = "25")]
    functions: Vec<Function>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Function {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, repeated, tag = "4")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    output: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    node: Vec<pb::NodeProto>,
    #[prost(string, tag = "10")]
    domain: String,
    /// Attributes with their defaults.
    #[prost(message, repeated, tag = "11")]
    attribute_proto: Vec<pb::AttributeProto>,
}

/// Writes the functions that the nodes of a graph call into it.
///
/// # Errors
///
/// Functions that call each other without end, or become too many nodes.
pub fn write_out(file: &[u8], graph: &mut pb::GraphProto) -> Result<(), ReadError> {
    let WithFunctions { functions } =
        WithFunctions::decode(file).map_err(|error| ReadError::NotOnnx(error.to_string()))?;
    if functions.is_empty() {
        return Ok(());
    }
    let mut inliner = Inliner { functions: &functions, nodes: Vec::new(), calls: 0 };
    for node in std::mem::take(&mut graph.node) {
        inliner.add(node, 0)?;
    }
    graph.node = inliner.nodes;
    Ok(())
}

struct Inliner<'a> {
    functions: &'a [Function],
    nodes: Vec<pb::NodeProto>,
    calls: usize,
}

impl Inliner<'_> {
    fn add(&mut self, node: pb::NodeProto, depth: usize) -> Result<(), ReadError> {
        let named = |function: &&Function| {
            function.name == node.op_type
                && (function.domain == node.domain
                    || is_standard(&function.domain) && is_standard(&node.domain))
        };
        let Some(function) = self.functions.iter().find(named) else {
            self.nodes.push(node);
            return match self.nodes.len() > NODES {
                true => {
                    Err(ReadError::Graph(format!("its functions have more than {NODES} nodes")))
                }
                false => Ok(()),
            };
        };
        self.calls += 1;
        if depth == DEPTH || self.calls > NODES {
            return Err(ReadError::Graph(format!(
                "the function '{}' calls functions without end",
                function.name
            )));
        }
        let call = node_name(&node).to_string();
        let mut names: HashMap<&str, String> = HashMap::new();
        for (inside, outside) in [(&function.input, &node.input), (&function.output, &node.output)]
        {
            for (index, inside) in inside.iter().enumerate() {
                // What a call leaves out is absent inside, too.
                names.insert(inside, outside.get(index).cloned().unwrap_or_default());
            }
        }
        let prefix = format!("{call}#{}", self.calls);
        for body in &function.node {
            let mut body = body.clone();
            for name in body.input.iter_mut().chain(&mut body.output).filter(|n| !n.is_empty()) {
                let known = names.get(name.as_str()).cloned();
                *name = known.unwrap_or_else(|| format!("{prefix}/{name}"));
            }
            body.name = format!("{call}/{}", node_name(&body));
            body.attribute = body
                .attribute
                .into_iter()
                .filter_map(|attribute| resolved(attribute, &node, function))
                .collect();
            self.add(body, depth + 1)?;
        }
        Ok(())
    }
}

/// An attribute of a function's node, with the call's value where it refers to one.
fn resolved(
    attribute: pb::AttributeProto,
    call: &pb::NodeProto,
    function: &Function,
) -> Option<pb::AttributeProto> {
    if attribute.ref_attr_name.is_empty() {
        return Some(attribute);
    }
    let mut given = call.attribute.iter().chain(&function.attribute_proto);
    let value = given.find(|given| given.name == attribute.ref_attr_name)?;
    Some(pb::AttributeProto { name: attribute.name, ..value.clone() })
}
