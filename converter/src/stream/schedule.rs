//! Which rows each layer computes in which step.
//!
//! A step adds some rows of the input and then goes through the layers, each of which computes what it
//! can of what is at hand by then, up to as many rows as a step adds. So rows lie waiting nowhere
//! but where a later window needs them again.

use firmware_core::LayerKind;

use super::form::{Call, RowForm};
use crate::graph::ValueId;
use crate::quantized::QuantizedNetwork;

/// Most rows that a step may add to a value: they are bytes in the generated code.
const MOST_ROWS: usize = 255;

/// Pixels that a kernel for convolution computes at a time.
const TILE: usize = 4;

/// Rows of output that kernels for windows over one channel make at a time, where there are as many.
const BAND: usize = 4;

/// What it costs, as multiply-accumulates, to pack a value for them, and to begin with a channel: its weights
/// and its place.
const PACKED: usize = 4;
const BEGUN: usize = 75;

/// Layers that run row by row, and what they compute when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The first layer, and the one behind the last.
    pub layers: [usize; 2],
    pub forms: Vec<RowForm>,
    /// For each step the rows of the source that it adds, and then of each layer's output; a layer that
    /// adds up its input counts its rows.
    pub steps: Vec<Vec<usize>>,
    /// For each layer the most rows of its result that are in its buffer at once, and the most that
    /// stay there for the next step.
    pub held: Vec<[usize; 2]>,
    /// The same of the source.
    pub source: [usize; 2],
}

impl Schedule {
    /// Layers `[first, end)` in steps that each compute `rows` rows of the first; `None` if they
    /// cannot run row by row. With `whole_tiles` kernels that take several pixels at a time wait for
    /// rows that fill them; without they take what there is.
    pub fn new(
        network: &QuantizedNetwork,
        layers: [usize; 2],
        rows: usize,
        whole_tiles: bool,
    ) -> Option<Self> {
        let forms = forms(network, layers)?;
        let mut run = Run::new(network, layers, rows, &forms);
        if !whole_tiles {
            run.most.iter_mut().for_each(|[_, multiple]| *multiple = 1);
        }
        let (mut steps, mut held) = (Vec::new(), vec![[0; 2]; forms.len()]);
        let mut from_source = [0; 2];
        while !run.is_done() {
            let before = run.clone();
            steps.push(run.step());
            for (layer, held) in held.iter_mut().enumerate() {
                let kept = run.kept(layer + 1);
                // What the last step left, and what this one added.
                held[0] = held[0].max(run.rows[layer + 1] - before.kept(layer + 1));
                held[1] = held[1].max(run.rows[layer + 1] - kept);
            }
            from_source[0] = from_source[0].max(run.rows[0] - before.kept(0));
            from_source[1] = from_source[1].max(run.rows[0] - run.kept(0));
            if *run.rows == *before.rows || steps.len() > 10_000 {
                return None;
            }
        }
        let fits = |rows: &usize| *rows <= MOST_ROWS;
        steps.iter().flatten().all(fits).then_some(())?;
        Some(Self { layers, forms, steps, held, source: from_source })
    }

    /// The layers, counted from the first, that read value `value` of the segment: 0 is its input, else
    /// the result of its layer `value - 1`.
    pub fn readers(&self, network: &QuantizedNetwork, value: usize) -> Vec<usize> {
        readers(network, self.layers, value)
    }

    /// Multiply-accumulates that kernels make twice because steps do not have whole tiles of pixels,
    /// and what the calls of the steps cost, as multiply-accumulates.
    pub fn overhead(&self, network: &QuantizedNetwork) -> usize {
        let mut cost = 0;
        for (index, form) in self.forms.iter().enumerate() {
            let layer = &network.layers[self.layers[0] + index];
            let (height, width) = (layer.output.height, layer.output.width);
            let tiles = |rows: usize| (rows * width).div_ceil(TILE);
            let parts = || self.steps.iter().map(|step| step[index + 1]).filter(|rows| *rows > 0);
            if form.tiled {
                let surplus = parts().map(tiles).sum::<usize>().saturating_sub(tiles(height));
                cost += surplus * TILE * layer.macs() / (height * width).max(1);
            }
            cost += parts().count() * 50;
        }
        cost
    }

    /// What depthwise kernels pack and begin again, as multiply-accumulates, because steps have fewer rows than
    /// they take at a time: each band of rows packs those that it shares with its neighbour.
    pub fn again(&self, network: &QuantizedNetwork) -> usize {
        let mut cost = 0;
        for (index, form) in self.forms.iter().enumerate() {
            let [window] = form.windows[..] else { continue };
            let shared = window.extent.saturating_sub(window.stride);
            let layer = &network.layers[self.layers[0] + index];
            if layer.kind() != LayerKind::DepthwiseConv2d || shared == 0 {
                continue;
            }
            let bands = self.steps.iter().map(|step| step[index + 1].div_ceil(BAND)).sum::<usize>();
            let more = bands.saturating_sub(layer.output.height.div_ceil(BAND));
            let input = network.shape(layer.input());
            cost += more * input.channels * (shared * input.width * PACKED + BEGUN);
        }
        cost
    }
}

/// How layers compute their rows, if all of them can and nothing but the last one's result is read
/// behind them.
fn forms(network: &QuantizedNetwork, [first, end]: [usize; 2]) -> Option<Vec<RowForm>> {
    let forms: Vec<RowForm> =
        (first..end).map(|layer| form(network, layer)).collect::<Option<_>>()?;
    let sums = |form: &RowForm| matches!(form.call, Call::Sums(_));
    let (last, others) = forms.split_last()?;
    if others.iter().any(sums) || (sums(last) && others.is_empty()) {
        return None;
    }
    let inside = |input: &ValueId| (first + 1..end).contains(input);
    if network.layers[end..].iter().any(|layer| layer.inputs.iter().any(inside)) {
        return None;
    }
    // Every result is read, or it would never be dropped.
    (1..forms.len()).all(|value| !readers(network, [first, end], value).is_empty()).then_some(forms)
}

/// How a layer computes its rows, if it can.
pub fn form(network: &QuantizedNetwork, index: usize) -> Option<RowForm> {
    let layer = &network.layers[index];
    let types = crate::emit::rust::Types { network, layer };
    layer.op.as_dyn().rows(&types)
}

fn readers(network: &QuantizedNetwork, [first, end]: [usize; 2], value: usize) -> Vec<usize> {
    let id = if value == 0 { source(network, first) } else { first + value };
    (first..end)
        .filter(|&layer| network.layers[layer].inputs.contains(&id))
        .map(|layer| layer - first)
        .collect()
}

/// The value of which each step takes some more rows: the first input of the first layer.
fn source(network: &QuantizedNetwork, first: usize) -> ValueId {
    network.layers[first].input()
}

/// The state between two steps.
#[derive(Clone)]
struct Run<'a> {
    network: &'a QuantizedNetwork,
    layers: [usize; 2],
    forms: &'a [RowForm],
    /// Rows of the source and of each layer's output so far.
    rows: Vec<usize>,
    /// All rows of each layer's output, or of what it adds up.
    heights: Vec<usize>,
    /// Most rows that each layer computes in a step, and the number of which it computes a multiple.
    most: Vec<[usize; 2]>,
    /// Rows of the first layer that the source must suffice for.
    target: usize,
}

impl<'a> Run<'a> {
    fn new(
        network: &'a QuantizedNetwork,
        layers: [usize; 2],
        rows: usize,
        forms: &'a [RowForm],
    ) -> Self {
        let height = |(layer, form): (usize, &RowForm)| match form.call {
            Call::Rows(_) => network.layers[layers[0] + layer].output.height,
            Call::Sums(_) => form.windows[0].height,
        };
        let heights: Vec<usize> = forms.iter().enumerate().map(height).collect();
        let most = |(layer, form): (usize, &RowForm)| {
            let width = network.layers[layers[0] + layer].output.width;
            let whole = (1..=TILE).find(|rows| (rows * width).is_multiple_of(TILE)).unwrap_or(1);
            let multiple = if form.tiled { whole } else { 1 };
            let rows = (rows * heights[layer]).div_ceil(heights[0].max(1));
            [rows.next_multiple_of(multiple), multiple]
        };
        let most = forms.iter().enumerate().map(most).collect();
        let values = vec![0; forms.len() + 1];
        Self { network, layers, forms, rows: values, heights, most, target: 0 }
    }

    fn is_done(&self) -> bool {
        self.rows[1..] == self.heights[..]
    }

    /// The rows of an input that are at hand. The source's count as they are taken, though it may be
    /// whole; other values from before the first layer are.
    fn at_hand(&self, input: ValueId) -> usize {
        match input {
            input if input == self.source() => self.rows[0],
            input if input > self.layers[0] => self.rows[input - self.layers[0]],
            input => self.network.shape(input).height,
        }
    }

    fn source(&self) -> ValueId {
        source(self.network, self.layers[0])
    }

    fn complete(&self, input: ValueId) -> bool {
        self.at_hand(input) >= self.network.shape(input).height
    }

    /// The next step: how many rows of the source it adds, and of each layer's output.
    fn step(&mut self) -> Vec<usize> {
        let source = self.network.shape(self.source()).height;
        self.target = (self.target + self.most[0][0]).min(self.heights[0]);
        let wanted = match self.target == self.heights[0] {
            true => source,
            false => self.forms[0].needed(self.target).min(source),
        };
        let mut added = vec![wanted.max(self.rows[0]) - self.rows[0]];
        self.rows[0] += added[0];
        for layer in 0..self.forms.len() {
            let rows = self.next_rows(layer);
            self.rows[layer + 1] += rows;
            added.push(rows);
        }
        added
    }

    /// The rows that a layer computes next.
    fn next_rows(&self, layer: usize) -> usize {
        let (done, [most, multiple]) = (self.rows[layer + 1], self.most[layer]);
        let inputs = &self.network.layers[self.layers[0] + layer].inputs;
        let rest = self.heights[layer] - done;
        let can = |rows: &usize| {
            inputs.iter().all(|&input| self.forms[layer].needed(done + rows) <= self.at_hand(input))
        };
        let rows = (1..=rest.min(most)).take_while(can).last().unwrap_or(0);
        match rows == rest && inputs.iter().all(|&input| self.complete(input)) {
            true => rows,
            false => rows / multiple * multiple,
        }
    }

    /// The first row of value `value` that is still needed after a step.
    fn kept(&self, value: usize) -> usize {
        let last = value == self.forms.len();
        let readers = readers(self.network, self.layers, value);
        let needed =
            readers.iter().map(|&layer| self.forms[layer].first_needed(self.rows[layer + 1]));
        let kept = if last { Some(0) } else { needed.min() };
        kept.unwrap_or(self.rows[value]).min(self.rows[value])
    }
}
