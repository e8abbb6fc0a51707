//! Which value of a network lies on which grid.

use std::collections::BTreeMap;

use converter::operators::IntegerOp;
use converter::quantize::{Exponents, LayerBits, USUAL_BITS, largest_weight};
use converter::quantized::{QuantizedNetwork, ValueType};

use super::{Grid, Table, WeightGrid};
use crate::learn::network::{Network, Readout};

/// The grids of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// By number of the value.
    activations: BTreeMap<usize, Grid>,
    /// Of values that are looked up, by number of the value.
    tables: BTreeMap<usize, Table>,
    /// By number of the layer.
    weights: BTreeMap<usize, WeightGrid>,
    /// The exponents of the results of layers, by the names that the converter gives them.
    exponents: Exponents,
    /// Of the weights of layers that do not have the usual ones, by the same names.
    bits: LayerBits,
}

impl Plan {
    /// The grids of `readout`'s network as the converter chose them for the lowered network that it
    /// was read from.
    pub fn new(readout: &Readout, quantized: &QuantizedNetwork) -> Self {
        let mut plan = Self {
            activations: BTreeMap::new(),
            tables: BTreeMap::new(),
            weights: BTreeMap::new(),
            exponents: Exponents::new(),
            bits: LayerBits::new(),
        };
        // A pixel is an integer from 0 to 255 and stands for the 256th part of it.
        let image = quantized.format(0).exponent();
        let grid =
            Grid { exponent: image, low: 0.0, high: 255.0, factor: readout.factors[0], finer: 0 };
        plan.activations.insert(0, grid);
        // Inputs lie on the sample's grid already.
        for (index, layer) in quantized.computed() {
            let input = layer.input();
            if let (Some(parameters), Some(place)) = (layer.parameters(), readout.weighted[index]) {
                if parameters.bits != USUAL_BITS {
                    plan.bits.insert(layer.source_name.clone(), parameters.bits);
                }
                plan.weights.insert(
                    place,
                    WeightGrid {
                        exponents: parameters.weight_exponents.clone(),
                        largest: largest_weight(parameters.bits).into(),
                        input_exponent: quantized.format(input).exponent(),
                        factor: readout.factors[input],
                    },
                );
            }
            let (low, high) = match layer.format.element {
                ValueType::U8 => (0.0, 255.0),
                ValueType::I8 => (-128.0, 127.0),
                ValueType::I32 => continue,
            };
            let exponent = layer.format.exponent();
            // The inputs of a layer are in the lowered network's scale already; what is left is
            // the change that the layer itself brings.
            let factor = match layer.parameters() {
                Some(_) => 1.0,
                None => readout.factors[index + 1] / readout.factors[input],
            };
            let finer = layer.op.as_dyn().finer();
            let grid = Grid { exponent, low, high, factor, finer };
            plan.activations.insert(readout.values[index + 1], grid);
            if let IntegerOp::Lookup(lookup) = &layer.op {
                let table = Table::new(lookup, quantized.format(input), layer.format);
                plan.tables.insert(readout.values[index + 1], table);
            }
            plan.exponents.insert(layer.source_name.clone(), exponent);
        }
        plan
    }

    /// The grid of a value, if it has one: the logits do not.
    pub fn activation(&self, value: usize) -> Option<&Grid> {
        self.activations.get(&value)
    }

    /// The table that gives a value, if one does.
    pub fn table(&self, value: usize) -> Option<&Table> {
        self.tables.get(&value)
    }

    /// The grids of a layer's weights, if it has any.
    pub fn weights(&self, layer: usize) -> Option<&WeightGrid> {
        self.weights.get(&layer)
    }

    /// The exponents that the converter must take, so that its integers are those trained for.
    pub fn exponents(&self) -> &Exponents {
        &self.exponents
    }

    /// The bits of weights that the converter must take, of layers that do not have the usual ones.
    pub fn bits(&self) -> &LayerBits {
        &self.bits
    }

    /// The flat vector of parameters with all weights and biases on their grids.
    pub fn round(&self, network: &Network, parameters: &[f32]) -> Vec<f32> {
        let mut rounded = parameters.to_vec();
        for (&layer, grid) in &self.weights {
            let placed = &network.layers[layer];
            let [weight, bias] = &placed.parameters[..] else { continue };
            let (start, middle) = (placed.offset, placed.offset + weight.elements());
            let (head, tail) = rounded.split_at_mut(middle);
            grid.round(&mut head[start..], &mut tail[..bias.elements()]);
        }
        rounded
    }
}
