//! Local functions: nodes that stand for others, which are written out before a graph is read.

use std::collections::HashMap;

use crate::pb;

use super::{ReadError, is_standard, node_name};
use crate::limits::NODES;

/// How deep functions may call functions.
const DEPTH: usize = 16;

/// Writes the functions that the nodes of a graph call into it.
///
/// # Errors
///
/// Functions that call each other without end, or become too many nodes.
pub fn write_out(
    functions: &[pb::FunctionProto],
    graph: &mut pb::GraphProto,
) -> Result<(), ReadError> {
    if functions.is_empty() {
        return Ok(());
    }
    let mut inliner = Inliner { functions, nodes: Vec::new(), calls: 0 };
    for node in std::mem::take(&mut graph.node) {
        inliner.add(node, 0)?;
    }
    graph.node = inliner.nodes;
    Ok(())
}

struct Inliner<'a> {
    functions: &'a [pb::FunctionProto],
    nodes: Vec<pb::NodeProto>,
    calls: usize,
}

impl Inliner<'_> {
    fn add(&mut self, node: pb::NodeProto, depth: usize) -> Result<(), ReadError> {
        let named = |function: &&pb::FunctionProto| {
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
    function: &pb::FunctionProto,
) -> Option<pb::AttributeProto> {
    if attribute.ref_attr_name.is_empty() {
        return Some(attribute);
    }
    let mut given = call.attribute.iter().chain(&function.attribute_proto);
    let value = given.find(|given| given.name == attribute.ref_attr_name)?;
    Some(pb::AttributeProto { name: attribute.name, ..value.clone() })
}
