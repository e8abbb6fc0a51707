//! Row by row: layers that compute some rows at a time, so that between them lie a few rows instead
//! of whole images.
//!
//! [`form`] says how a layer computes some of its rows, [`schedule`] which rows in which step, and
//! this file where they lie. What they compute is what they compute as whole images.

pub mod form;
pub mod schedule;

pub use form::RowForm;
pub use schedule::Schedule;

use crate::arena::{self, ArenaPlan, Block};
use crate::quantized::QuantizedNetwork;

/// Percent of a network's multiply-accumulates that may be lost for its memory.
const MOST_OVERHEAD: usize = 4;

/// The part of the smallest plan's memory that may be added for fewer instructions.
const MOST_MORE: usize = 3;

/// Most rows of the first layer's result that a step is tried with.
const MOST_ROWS: usize = 4;

/// Where rows lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPlan {
    pub schedule: Schedule,
    /// The buffer of each layer's result but the last one's.
    pub buffers: Vec<Buffer>,
    /// The byte offset of the sums of a last layer that adds up its input.
    pub sums: Option<usize>,
}

/// Where the rows of one value lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// As many as there may be, and their byte offset.
    pub rows: usize,
    pub at: usize,
    pub kept: Kept,
}

/// Rows that the next step needs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// None.
    Nothing,
    /// They are moved to the buffer's beginning.
    There,
    /// So many are copied to a place of their own, since others use the buffer in between.
    Elsewhere { rows: usize, at: usize },
}

/// The plan that takes the least memory of those that cost little, if any takes less than whole images:
/// `whole` is theirs. What kernels pack again because steps are short counts only as far as a third more
/// memory avoids it.
pub fn plan(network: &QuantizedNetwork, whole: ArenaPlan) -> ArenaPlan {
    let (layers, macs) = (network.layers.len(), network.macs());
    let alone = |layer: usize| schedule::form(network, layer).is_some();
    let little = |cost: usize| cost * 100 <= macs * MOST_OVERHEAD;
    // Each with what it costs.
    let mut plans = vec![(whole, 0)];
    // From where layers begin that can run row by row, to any of those behind.
    for first in (0..layers).filter(|&layer| alone(layer) && (layer == 0 || !alone(layer - 1))) {
        for end in (first + 2..=layers).take_while(|end| alone(end - 1)) {
            let ways = (1..=MOST_ROWS).flat_map(|rows| [(rows, true), (rows, false)]);
            for (rows, whole_tiles) in ways {
                let schedule = Schedule::new(network, [first, end], rows, whole_tiles);
                let Some(schedule) = schedule else { continue };
                let overhead = schedule.overhead(network);
                if little(overhead) {
                    let cost = overhead + schedule.again(network);
                    plans.push((arrange(network, schedule), cost));
                }
            }
        }
    }
    let smallest = plans.iter().map(|(plan, _)| plan.bytes).min().unwrap_or(0);
    plans.retain(|(plan, _)| plan.bytes <= smallest + smallest / MOST_MORE);
    let chosen = plans.into_iter().min_by_key(|(plan, cost)| match little(*cost) {
        true => (false, plan.bytes, *cost),
        false => (true, *cost, plan.bytes),
    });
    chosen.map(|(plan, _)| plan).expect("the smallest is there")
}

/// The plan for a schedule: each buffer keeps its rows where that takes less memory altogether.
fn arrange(network: &QuantizedNetwork, schedule: Schedule) -> ArenaPlan {
    let mut elsewhere = vec![false; schedule.forms.len() - 1];
    let mut best = place(network, &schedule, &elsewhere);
    loop {
        let mut better = None;
        for value in 0..elsewhere.len() {
            elsewhere[value] ^= true;
            let plan = place(network, &schedule, &elsewhere);
            if plan.bytes < best.bytes {
                (best, better) = (plan, Some(value));
            }
            elsewhere[value] ^= true;
        }
        match better {
            Some(value) => elsewhere[value] ^= true,
            None => return best,
        }
    }
}

/// Places rows as `elsewhere` says, together with the values that are whole.
fn place(network: &QuantizedNetwork, schedule: &Schedule, elsewhere: &[bool]) -> ArenaPlan {
    let [first, end] = schedule.layers;
    let mut blocks = Vec::new();
    for (index, &elsewhere) in elsewhere.iter().enumerate() {
        let [held, kept] = schedule.held[index];
        let row = row_bytes(network, first + index + 1);
        // Within a step.
        let last = schedule.readers(network, index + 1).into_iter().max().unwrap_or(index);
        let step = (first + index, first + last);
        let (lives, kept) = match (kept, elsewhere) {
            (0, _) => (step, 0),
            (_, false) => ((first, end - 1), 0),
            (kept, true) => (step, kept),
        };
        blocks.push(Block { bytes: held * row, lives });
        blocks.push(Block { bytes: kept * row, lives: (first, end - 1) });
    }
    let sums = schedule.forms.last().is_some_and(|form| matches!(form.call, form::Call::Sums(_)));
    if sums {
        let bytes = 4 * network.layers[end - 1].output.channels;
        blocks.push(Block { bytes, lives: (first, end) });
    }
    // What is made of the sums is there behind all steps, other results grow from the first on.
    let born = if sums { end } else { first };
    let (mut plan, places) = arena::place_streamed(network, [first, end], born, &blocks);
    let buffers = (0..elsewhere.len()).map(|index| {
        let [rows, kept] = schedule.held[index];
        let kept = match (kept, elsewhere[index]) {
            (0, _) => Kept::Nothing,
            (_, false) => Kept::There,
            (rows, true) => Kept::Elsewhere { rows, at: places[2 * index + 1] },
        };
        Buffer { rows, at: places[2 * index], kept }
    });
    let buffers = buffers.collect();
    let sums = if sums { places.last().copied() } else { None };
    plan.stream = Some(StreamPlan { schedule: schedule.clone(), buffers, sums });
    plan
}

/// Bytes of one row of a value.
fn row_bytes(network: &QuantizedNetwork, value: usize) -> usize {
    let shape = network.shape(value);
    shape.width * shape.channels * network.format(value).element.bytes()
}
