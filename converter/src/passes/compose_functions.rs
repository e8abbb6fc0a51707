//! Makes one function of the nodes that compute one value of another, element by element: of
//! `x · sigmoid(x)` as exporters write it, and of functions in a row. A layer looks it up at once.

use crate::graph::{Graph, Operator, ValueId};
use crate::operators::functions::{Bent, Clip, Formula, Function};

/// The most nodes in a row that are looked at.
const LONGEST: usize = 32;

pub fn run(graph: &mut Graph) {
    for index in 0..graph.nodes.len() {
        if let Some((function, root)) = joined(graph, index) {
            graph.nodes[index].operator = Operator::Function(function);
            graph.nodes[index].inputs = vec![root];
        }
    }
    graph.drop_unused();
    let mut index = 0;
    while index < graph.nodes.len() {
        match in_a_row(graph, index) {
            Some((consumer, function)) => {
                graph.nodes[consumer].operator = Operator::Function(function);
                graph.bypass(index);
            }
            None => index += 1,
        }
    }
}

/// What a node computes of one value, if it is the sum or the product of two that both are
/// functions of that one.
fn joined(graph: &Graph, index: usize) -> Option<(Function, ValueId)> {
    let node = &graph.nodes[index];
    let product = match node.operator {
        Operator::Mul => true,
        Operator::Add => false,
        _ => return None,
    };
    let &[left, right] = &node.inputs[..] else { return None };
    let (left, right) = (row(graph, left), row(graph, right));
    let root = *left.iter().find(|value| right.contains(value))?;
    let part = |row: &[ValueId]| -> Vec<ValueId> {
        row.iter().copied().take_while(|&value| value != root).collect()
    };
    let (left, right) = (part(&left), part(&right));
    // Sums of what layers compute have a layer themselves.
    let function =
        |&value: &ValueId| matches!(graph.nodes[value - 1].operator, Operator::Function(_));
    if !product && !left.iter().chain(&right).any(function) {
        return None;
    }
    let formula = |row: &[ValueId]| {
        row.iter()
            .rev()
            .try_fold(Formula::Input, |of, &value| step(&graph.nodes[value - 1].operator, of))
    };
    let (left, right) = (Box::new(formula(&left)?), Box::new(formula(&right)?));
    let formula = if product { Formula::Product(left, right) } else { Formula::Sum(left, right) };
    Some((formula.function()?, root))
}

/// A value, and those that it is computed of, element by element.
fn row(graph: &Graph, mut value: ValueId) -> Vec<ValueId> {
    let mut row = vec![value];
    while row.len() < LONGEST
        && let Some(index) = value.checked_sub(1)
        && step(&graph.nodes[index].operator, Formula::Input).is_some()
    {
        value = graph.nodes[index].inputs[0];
        row.push(value);
    }
    row
}

/// An operator of one value, applied to a formula.
fn step(operator: &Operator, of: Formula) -> Option<Formula> {
    let of = Box::new(of);
    let apply = |function: Function, of| Some(Formula::Apply(Box::new(function), of));
    match operator {
        Operator::Relu => apply(Clip { low: 0.0, high: f32::INFINITY }.into(), of),
        &Operator::Clip { ceiling } => apply(Clip { low: 0.0, high: ceiling }.into(), of),
        &Operator::LeakyRelu { slope } => apply(Bent { slope }.into(), of),
        Operator::Function(function) => apply(function.clone(), of),
        Operator::Affine { scale, shift } => match (&scale[..], &shift[..]) {
            (&[scale], &[shift]) => Some(Formula::Affine { scale, shift, of }),
            _ => None,
        },
        _ => None,
    }
}

/// The function of a node and of the one that alone reads it. A scale behind a function with a name
/// is left to the next layer's weights.
fn in_a_row(graph: &Graph, index: usize) -> Option<(usize, Function)> {
    let Operator::Function(function) = &graph.nodes[index].operator else { return None };
    let consumer = graph.only_consumer(index + 1)?;
    let operator = &graph.nodes[consumer].operator;
    let named = !matches!(function, Function::Composed(_));
    if named && matches!(operator, Operator::Affine { .. }) {
        return None;
    }
    let inner = Formula::Apply(Box::new(function.clone()), Box::new(Formula::Input));
    Some((consumer, step(operator, inner)?.function()?))
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::graph::Shape;
    use crate::operators::functions::{HardSwish, Sigmoid, Silu, Tanh};

    fn graph(nodes: &[(Operator, &[ValueId])]) -> Graph {
        let shape = Shape::flat(3);
        let nodes: Vec<_> =
            nodes.iter().map(|(operator, inputs)| (operator.clone(), *inputs, shape)).collect();
        testing::graph(shape, &nodes)
    }

    fn affine(scale: f32, shift: f32) -> Operator {
        Operator::Affine { scale: vec![scale], shift: vec![shift] }
    }

    fn operators(mut graph: Graph) -> Vec<Operator> {
        run(&mut graph);
        graph.nodes.into_iter().map(|node| node.operator).collect()
    }

    #[test]
    fn a_product_with_a_function_of_itself_is_one_function() {
        let silu = graph(&[
            (affine(2.0, 0.0), &[0]),
            (Operator::Function(Sigmoid.into()), &[1]),
            (Operator::Mul, &[1, 2]),
        ]);
        let expected = vec![affine(2.0, 0.0), Operator::Function(Silu.into())];
        assert_eq!(operators(silu), expected);
        let hard_swish = graph(&[
            (affine(1.0, 3.0), &[0]),
            (Operator::Clip { ceiling: 6.0 }, &[1]),
            (Operator::Mul, &[0, 2]),
            (affine(1.0 / 6.0, 0.0), &[3]),
        ]);
        assert_eq!(operators(hard_swish), vec![Operator::Function(HardSwish.into())]);
    }

    #[test]
    fn what_other_nodes_read_stays() {
        let nodes = graph(&[
            (Operator::Function(Tanh.into()), &[0]),
            (Operator::Relu, &[1]),
            (Operator::Concat, &[1, 2]),
        ]);
        assert_eq!(operators(nodes.clone()).len(), nodes.nodes.len());
    }

    #[test]
    fn sums_of_layers_stay_sums() {
        let nodes = graph(&[(Operator::LeakyRelu { slope: 0.5 }, &[0]), (Operator::Add, &[0, 1])]);
        assert_eq!(operators(nodes.clone()).len(), 2);
    }
}
