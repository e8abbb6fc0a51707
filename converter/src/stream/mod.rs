//! Row by row: layers that compute some rows at a time, so that between them lie a few rows instead
//! of whole images.
//!
//! [`form`] says how a layer computes some of its rows, [`schedule`] which rows in which step, and
//! this file where they lie, several values on a [`tape`]. What they compute is what they compute as whole images.

pub mod form;
pub mod schedule;
mod tape;

pub use form::RowForm;
pub use schedule::Schedule;

use crate::arena::{self, ArenaPlan, Block};
use crate::quantized::QuantizedNetwork;

/// Percent of a network's multiply-accumulates that may be lost for its memory.
const MOST_OVERHEAD: usize = 4;

/// The part of the smallest plan's memory that may be added for fewer instructions.
const MOST_MORE: usize = 2;

/// Most rows of the first layer's result that a step is tried with.
const MOST_ROWS: usize = 4;

/// Bytes that are copied in the time of a multiply-accumulate.
const COPIED: usize = 4;

/// Where rows lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPlan {
    pub schedule: Schedule,
    /// The buffer of each layer's result but the last one's.
    pub buffers: Vec<Buffer>,
    /// The byte offset of the sums of a last layer that adds up its input.
    pub sums: Option<usize>,
}

impl StreamPlan {
    /// What rows cost beside what whole images do, as multiply-accumulates: what kernels compute and pack again, the
    /// calls of the steps, and copies of rows that are kept.
    pub fn cost(&self, network: &QuantizedNetwork) -> usize {
        let schedule = &self.schedule;
        schedule.overhead(network) + self.copied(network) / COPIED + schedule.again(network)
    }

    /// Bytes that all steps copy.
    fn copied(&self, network: &QuantizedNetwork) -> usize {
        let of_value = |(value, buffer): (usize, &Buffer)| {
            let times = match buffer.kept {
                Kept::Nothing => 0,
                Kept::There => 1,
                Kept::Elsewhere { .. } => 2,
                Kept::Moved { .. } => 3,
            };
            times * held(network, &self.schedule, value)[1]
        };
        let of_step: usize = self.buffers.iter().enumerate().map(of_value).sum();
        of_step * self.schedule.steps.len()
    }
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
    /// So many are on a [`tape`]: at byte `before` until a step comes to the value, at byte `after` from behind
    /// layer `until` of the segment to the step's end.
    Moved { rows: usize, before: usize, after: usize, until: usize },
}

/// Where a value's rows are to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// In a buffer of their own.
    Own,
    /// What is kept in a place of its own, so that others use the buffer in between.
    Split,
    /// On the tape.
    Shared,
}

/// The plan that takes the least memory of those that cost little, if any takes less than whole images:
/// `whole` is theirs. What kernels pack again because steps are short counts only as far as half as much
/// memory again avoids it.
pub fn plan(network: &QuantizedNetwork, whole: ArenaPlan) -> ArenaPlan {
    let (layers, macs) = (network.layers.len(), network.macs());
    let alone = |layer: usize| schedule::form(network, layer).is_some();
    let little = |cost: usize| cost * 100 <= macs * MOST_OVERHEAD;
    let mut schedules = Vec::new();
    // From where layers begin that can run row by row, to any of those behind.
    for first in (0..layers).filter(|&layer| alone(layer) && (layer == 0 || !alone(layer - 1))) {
        for end in (first + 2..=layers).take_while(|end| alone(end - 1)) {
            let ways = (1..=MOST_ROWS).flat_map(|rows| [(rows, true), (rows, false)]);
            for (rows, whole_tiles) in ways {
                let schedule = Schedule::new(network, [first, end], rows, whole_tiles);
                schedules.extend(schedule.filter(|schedule| little(schedule.overhead(network))));
            }
        }
    }
    let begin = |schedule: &Schedule| {
        beginnings(schedule).map(|rooms| place(network, schedule, &rooms).bytes)
    };
    let found = schedules.iter().flat_map(begin).chain([whole.bytes]).min().unwrap_or(0);
    let enough = |smallest: usize| smallest + smallest / MOST_MORE;
    // Each with what it costs.
    let mut plans = vec![(whole, 0)];
    for schedule in schedules.iter().filter(|schedule| least(network, schedule) <= enough(found)) {
        let plan = arrange(network, schedule);
        let cost = plan.stream.as_ref().map_or(0, |stream| stream.cost(network));
        plans.push((plan, cost));
    }
    let smallest = plans.iter().map(|(plan, _)| plan.bytes).min().unwrap_or(0);
    plans.retain(|(plan, _)| plan.bytes <= enough(smallest));
    let chosen = plans.into_iter().min_by_key(|(plan, cost)| match little(*cost) {
        true => (false, plan.bytes, *cost),
        false => (true, *cost, plan.bytes),
    });
    chosen.map(|(plan, _)| plan).expect("the smallest is there")
}

/// Bytes that no plan for a schedule can do without: while a layer runs, the rows at work and those that are
/// kept.
fn least(network: &QuantizedNetwork, schedule: &Schedule) -> usize {
    let layers = 0..schedule.forms.len();
    let values = 0..schedule.forms.len() - 1;
    let at_once = |layer: usize| {
        let bytes = |value: usize| {
            let [held, kept] = held(network, schedule, value);
            let (begin, last) = lives(network, schedule, value);
            if (begin..=last).contains(&layer) { held } else { kept }
        };
        values.clone().map(bytes).sum()
    };
    layers.map(at_once).max().unwrap_or(0)
}

/// Bytes of the rows of a schedule's value `value` that are at work, and of those that are kept.
fn held(network: &QuantizedNetwork, schedule: &Schedule, value: usize) -> [usize; 2] {
    let row = row_bytes(network, schedule.layers[0] + value + 1);
    schedule.held[value].map(|rows| rows * row)
}

/// Within a step the layer that computes a value's rows and the last that reads them, counted from the first.
fn lives(network: &QuantizedNetwork, schedule: &Schedule, value: usize) -> (usize, usize) {
    let readers = schedule.readers(network, value + 1);
    (value, readers.into_iter().max().unwrap_or(value))
}

/// Where rows may lie to begin with: all in buffers of their own, or those that are kept on the tape.
fn beginnings(schedule: &Schedule) -> [Vec<Room>; 2] {
    let values = schedule.forms.len() - 1;
    let shared = |value: usize| match schedule.held[value] {
        [_, 0] => Room::Own,
        _ => Room::Shared,
    };
    [vec![Room::Own; values], (0..values).map(shared).collect()]
}

/// Bytes that a plan takes, and that all its steps copy: less is better.
fn bytes(network: &QuantizedNetwork, plan: &ArenaPlan) -> (usize, usize) {
    (plan.bytes, plan.stream.as_ref().map_or(0, |stream| stream.copied(network)))
}

/// The plan for a schedule: each value's rows lie where that takes the least memory altogether, and copies fewest
/// bytes.
fn arrange(network: &QuantizedNetwork, schedule: &Schedule) -> ArenaPlan {
    let plans = beginnings(schedule).map(|rooms| better(network, schedule, rooms));
    plans.into_iter().min_by_key(|plan| bytes(network, plan)).expect("there are two")
}

/// The plan for rows that lie as `rooms` says, or that to which single steps from it lead.
fn better(network: &QuantizedNetwork, schedule: &Schedule, mut rooms: Vec<Room>) -> ArenaPlan {
    let mut best = place(network, schedule, &rooms);
    loop {
        let mut change = None;
        for value in 0..rooms.len() {
            let before = rooms[value];
            for room in
                [Room::Own, Room::Split, Room::Shared].into_iter().filter(|room| *room != before)
            {
                rooms[value] = room;
                let plan = place(network, schedule, &rooms);
                if bytes(network, &plan) < bytes(network, &best) {
                    (best, change) = (plan, Some((value, room)));
                }
            }
            rooms[value] = before;
        }
        match change {
            Some((value, room)) => rooms[value] = room,
            None => return best,
        }
    }
}

/// Places rows as `rooms` says, together with the values that are whole.
fn place(network: &QuantizedNetwork, schedule: &Schedule, rooms: &[Room]) -> ArenaPlan {
    let [first, end] = schedule.layers;
    let always = (first, end - 1);
    let mut blocks = Vec::new();
    let mut items = Vec::new();
    for (index, &room) in rooms.iter().enumerate() {
        let [bytes, kept] = held(network, schedule, index);
        let (begin, last) = lives(network, schedule, index);
        let step = (first + begin, first + last);
        let (bytes, lives, kept) = match room {
            Room::Shared => {
                items.push(tape::Item { held: bytes, kept, lives: (begin, last) });
                (0, step, 0)
            }
            _ if kept == 0 => (bytes, step, 0),
            Room::Own => (bytes, always, 0),
            Room::Split => (bytes, step, kept),
        };
        blocks.push(Block { bytes, lives });
        blocks.push(Block { bytes: kept, lives: always });
    }
    let (on_tape, bytes) = tape::lay(&items);
    blocks.push(Block { bytes, lives: always });
    let sums = schedule.forms.last().is_some_and(|form| matches!(form.call, form::Call::Sums(_)));
    if sums {
        let bytes = 4 * network.layers[end - 1].output.channels;
        blocks.push(Block { bytes, lives: (first, end) });
    }
    // What is made of the sums is there behind all steps, other results grow from the first on.
    let born = if sums { end } else { first };
    let (mut plan, places) = arena::place_streamed(network, [first, end], born, &blocks);
    let tape = places[2 * rooms.len()];
    let mut on_tape = on_tape.into_iter().enumerate();
    let mut buffers = Vec::new();
    for (index, &room) in rooms.iter().enumerate() {
        let [rows, kept] = schedule.held[index];
        let mut at = places[2 * index];
        let mut how = match room {
            _ if kept == 0 => Kept::Nothing,
            Room::Split => Kept::Elsewhere { rows: kept, at: places[2 * index + 1] },
            _ => Kept::There,
        };
        if room == Room::Shared {
            let (number, place) = on_tape.next().expect("a place for each value on the tape");
            at = tape + place.buffer;
            if number > 0 && kept > 0 {
                let [before, after] = [place.before, place.after].map(|place| tape + place);
                how = Kept::Moved { rows: kept, before, after, until: place.until };
            }
        }
        buffers.push(Buffer { rows, at, kept: how });
    }
    let sums = if sums { places.last().copied() } else { None };
    plan.stream = Some(StreamPlan { schedule: schedule.clone(), buffers, sums });
    plan
}

/// Bytes of one row of a value.
fn row_bytes(network: &QuantizedNetwork, value: usize) -> usize {
    let shape = network.shape(value);
    shape.width * shape.channels * network.format(value).element.bytes()
}
