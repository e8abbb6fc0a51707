//! Layers that run row by row: a table of steps, the function that takes one, and `Stream`, which
//! takes an image row by row.

use std::fmt::Write;

use super::types::{array_type, row_type};
use crate::arena::ArenaPlan;
use crate::quantized::QuantizedNetwork;
use crate::stream::form::Call;
use crate::stream::{Kept, StreamPlan};

/// What is written of a plan.
pub(super) struct Streamed<'a> {
    network: &'a QuantizedNetwork,
    arena: &'a ArenaPlan,
    plan: &'a StreamPlan,
}

impl<'a> Streamed<'a> {
    pub fn of(network: &'a QuantizedNetwork, arena: &'a ArenaPlan) -> Option<Self> {
        let plan = arena.stream.as_ref()?;
        Some(Self { network, arena, plan })
    }

    /// The first of the layers that run row by row, and the one behind the last.
    pub fn layers(&self) -> [usize; 2] {
        self.plan.schedule.layers
    }

    /// Nothing but these layers reads the image: it need not be there as a whole.
    pub fn takes_rows(&self) -> bool {
        let [first, end] = self.layers();
        let others = self.network.layers[..first].iter().chain(&self.network.layers[end..]);
        first == 0 && !others.flat_map(|layer| &layer.inputs).any(|&input| input == 0)
    }

    /// The table of steps and the function that takes one.
    pub fn steps(&self, code: &mut String) {
        let (steps, values) = (&self.plan.schedule.steps, self.values());
        let _ = writeln!(
            code,
            "/// Rows that each step adds: of the image, and of the layers that run row by row.\n\
             #[rustfmt::skip]\n\
             static STEPS: [[u8; {}]; {}] = [",
            values + 1,
            steps.len()
        );
        for step in steps {
            let rows: Vec<String> = step.iter().map(usize::to_string).collect();
            let _ = writeln!(code, "    [{}],", rows.join(", "));
        }
        let image = if self.has_image() { "image" } else { "_image" };
        let _ = writeln!(
            code,
            "];\n\n\
             /// One row of the image, `[width][channel]`.\n\
             pub type Row = {};\n\n\
             /// The layers that run row by row take a step; `rows` are those of their results.\n\
             fn take_step(\n    \
             step: &[u8; {}],\n    \
             {image}: InputRows<Row>,\n    \
             rows: &mut [Rows; {values}],\n    \
             arena: &mut Arena<ARENA_BYTES>,\n    \
             observer: &mut impl Observer,\n\
             ) {{",
            row_type(self.network.input_format.element.rust_name(), self.network.input),
            values + 1,
        );
        let names = |name: &str| {
            (1..=values).map(|value| format!("{name}{value}")).collect::<Vec<_>>().join(", ")
        };
        let _ = writeln!(
            code,
            "    let [_, {}] = step.map(usize::from);\n    let [{}] = rows;",
            names("n"),
            names("r")
        );
        for index in 0..values {
            self.load(code, index + 1);
            self.layer(code, index);
            for value in (1..values).filter(|&value| self.until(value) == index) {
                self.keep(code, value);
            }
        }
        (1..values).rev().for_each(|value| self.put_back(code, value));
        code.push_str("}\n\n");
    }

    /// The type that takes an image row by row.
    pub fn stream_type(&self, code: &mut String) {
        let (values, height) = (self.values(), self.network.input.height);
        let keep = self.first_needed(0);
        let _ = writeln!(
            code,
            "\n/// An image that comes row by row, as a camera sends it: a few rows are all that is kept of it.\n\
             #[allow(dead_code)]\n\
             pub struct Stream {{\n    \
             arena: Arena<ARENA_BYTES>,\n    \
             image: [Row; {held}],\n    \
             image_rows: Rows,\n    \
             rows: [Rows; {values}],\n    \
             steps: usize,\n    \
             wanted: usize,\n\
             }}\n\n\
             #[allow(dead_code)]\n\
             impl Stream {{\n    \
             /// Waits for the first row.\n    \
             #[allow(clippy::new_without_default)]\n    \
             pub const fn new() -> Self {{\n        \
             Self {{\n            \
             arena: Arena::new(),\n            \
             image: [[[0; {channels}]; {width}]; {held}],\n            \
             image_rows: Rows::new(),\n            \
             rows: [Rows::new(); {values}],\n            \
             steps: 0,\n            \
             wanted: 0,\n        \
             }}\n    \
             }}\n\n    \
             /// Takes the next row, from top to bottom, and computes what it makes possible; `false` if\n    \
             /// the image is complete, and the row not taken.\n    \
             pub fn push_row(&mut self, row: &Row) -> bool {{\n        \
             if self.image_rows.end() >= {height} {{\n            \
             return false;\n        \
             }}\n        \
             self.image_rows.output(&mut self.image, 1).rows.fill(*row);\n        \
             while let Some(step) = STEPS.get(self.steps) {{\n            \
             let wanted = self.wanted + usize::from(step[0]);\n            \
             if wanted > self.image_rows.end() {{\n                \
             break;\n            \
             }}\n            \
             self.wanted = wanted;\n            \
             self.steps += 1;\n            \
             let image = self.image_rows.input(&self.image);\n            \
             take_step(step, image, &mut self.rows, &mut self.arena, &mut ());\n            \
             let [{names}] = &self.rows;\n            \
             self.image_rows.slide({keep}, &mut self.image);\n        \
             }}\n        \
             true\n    \
             }}\n\n    \
             /// The logits of the image, after which the next one may come; `None` while rows are\n    \
             /// missing.\n    \
             pub fn finish(&mut self) -> Option<Logits> {{\n        \
             if self.steps < STEPS.len() {{\n            \
             return None;\n        \
             }}\n        \
             self.image_rows = Rows::new();\n        \
             self.rows = [Rows::new(); {values}];\n        \
             self.steps = 0;\n        \
             self.wanted = 0;\n        \
             Some(finish(&mut self.arena, &mut ()))\n    \
             }}\n\
             }}",
            held = self.plan.schedule.source[0],
            channels = self.network.input.channels,
            width = self.network.input.width,
            names = self.names_read(0),
        );
    }

    /// The statements in `infer` that take all steps.
    pub fn all_steps(&self, code: &mut String) {
        let _ = writeln!(
            code,
            "    let mut rows = [Rows::new(); {}];\n    \
             for step in &STEPS {{\n        \
             take_step(step, InputRows::new(image, 0), &mut rows, arena, observer);\n    \
             }}",
            self.values()
        );
    }

    /// The statements that make a result of the sums of a layer that adds up its input.
    pub fn sums(&self, code: &mut String) {
        let [_, end] = self.layers();
        let (Some(sums), Some(form)) = (self.plan.sums, self.plan.schedule.forms.last()) else {
            return;
        };
        let Call::Sums(layer) = &form.call else { return };
        let (index, y) = (end - 1, self.whole(end));
        let channels = self.network.shape(end).channels;
        let _ = writeln!(
            code,
            "    observer.start({index});\n    \
             let (sums, y) = arena.pair::<[i32; {channels}], {sums}, {y}>();\n    \
             {layer}.finish(sums, y);\n    \
             observer.end({index});"
        );
    }

    /// Values that layers compute here.
    fn values(&self) -> usize {
        self.plan.schedule.forms.len()
    }

    /// Some layer reads the image row by row.
    fn has_image(&self) -> bool {
        let [first, end] = self.layers();
        self.network.layers[first..end].iter().any(|layer| layer.inputs.contains(&0))
    }

    /// The rows of value `value`'s readers' results by their names, the others left out.
    fn names_read(&self, value: usize) -> String {
        let readers = self.plan.schedule.readers(self.network, value);
        let name = |index: usize| match readers.contains(&index) {
            true => format!("r{}", index + 1),
            false => "_".into(),
        };
        (0..self.values()).map(name).collect::<Vec<_>>().join(", ")
    }

    /// The first row of a value that is still needed.
    fn first_needed(&self, value: usize) -> String {
        let needed = |index: usize| {
            let row = format!("r{}.end()", index + 1);
            self.plan.schedule.forms[index].first_needed_rust(&row)
        };
        let readers = self.plan.schedule.readers(self.network, value);
        let all: Vec<String> = readers.into_iter().map(needed).collect();
        match &all[..] {
            [one] => one.clone(),
            // The operators bind less than the call of a method.
            [one, others @ ..] => {
                others.iter().fold(format!("({one})"), |all, other| format!("{all}.min({other})"))
            }
            [] => format!("r{value}.end()"),
        }
    }

    /// Whether a value's buffer is at work in a step.
    fn at_work(&self, value: usize) -> String {
        let readers = self.plan.schedule.readers(self.network, value);
        let counts = std::iter::once(value).chain(readers.into_iter().map(|index| index + 1));
        let counts: Vec<String> = counts.map(|index| format!("n{index}")).collect();
        format!("{} != 0", counts.join(" | "))
    }

    /// The layer behind which a value's rows are kept for the next step.
    fn until(&self, value: usize) -> usize {
        match self.plan.buffers[value - 1].kept {
            Kept::Moved { until, .. } => until,
            _ => self.plan.schedule.readers(self.network, value).into_iter().max().unwrap_or(0),
        }
    }

    /// Brings back what a value's buffer held when others took its place.
    fn load(&self, code: &mut String, value: usize) {
        let Some(buffer) = self.plan.buffers.get(value - 1) else { return };
        let _ = match buffer.kept {
            Kept::Nothing | Kept::There => Ok(()),
            Kept::Elsewhere { rows, at } => {
                let (kept, y) = (self.some_rows(value, rows, at), self.buffer(value));
                writeln!(
                    code,
                    "    if {} {{\n        \
                     let (kept, y) = arena.pair::<{kept}, {y}>();\n        \
                     r{value}.load(kept, y);\n    }}",
                    self.at_work(value)
                )
            }
            Kept::Moved { rows, before, .. } => self.copy(code, value, rows, [before, buffer.at]),
        };
    }

    /// Brings what a value keeps to where it lies when the next step begins.
    fn put_back(&self, code: &mut String, value: usize) {
        if let Kept::Moved { rows, before, after, .. } = self.plan.buffers[value - 1].kept {
            let _ = self.copy(code, value, rows, [after, before]);
        }
    }

    /// Copies what a value keeps, at most `rows` rows, from one place to another.
    fn copy(
        &self,
        code: &mut String,
        value: usize,
        rows: usize,
        places: [usize; 2],
    ) -> std::fmt::Result {
        let [x, y] = places.map(|at| self.some_rows(value, rows, at));
        writeln!(
            code,
            "    let (x, y) = arena.pair::<{x}, {y}>();\n    \
             r{value}.load(x, y);"
        )
    }

    /// Drops the rows that are not needed any more.
    fn keep(&self, code: &mut String, value: usize) {
        let (buffer, needed) = (&self.plan.buffers[value - 1], self.first_needed(value));
        let y = self.buffer(value);
        let _ = match buffer.kept {
            Kept::Elsewhere { rows, at } => {
                let (kept, work) = (self.some_rows(value, rows, at), self.at_work(value));
                writeln!(
                    code,
                    "    if {work} {{\n        \
                     let (x, kept) = arena.pair::<{y}, {kept}>();\n        \
                     r{value}.save({needed}, x, kept);\n    }}"
                )
            }
            Kept::Moved { rows, after, .. } if after != buffer.at => {
                let kept = self.some_rows(value, rows, after);
                writeln!(
                    code,
                    "    let (x, kept) = arena.pair::<{y}, {kept}>();\n    \
                     r{value}.save({needed}, x, kept);"
                )
            }
            _ => writeln!(code, "    r{value}.slide({needed}, arena.region::<{y}>());"),
        };
    }

    /// The rows that a layer computes in a step.
    fn layer(&self, code: &mut String, index: usize) {
        let [first, _] = self.layers();
        let (layer, value) = (first + index, index + 1);
        let inputs = &self.network.layers[layer].inputs;
        let form = &self.plan.schedule.forms[index];
        let output = match form.call {
            Call::Rows(_) if value == self.values() => self.whole(first + value),
            Call::Rows(_) => self.buffer(value),
            Call::Sums(_) => {
                let channels = self.network.shape(first + value).channels;
                format!("[i32; {channels}], {}", self.plan.sums.unwrap_or(0))
            }
        };
        // Those that lie in the arena, and how each input is written.
        let names = if inputs.len() == 1 { ["x", ""] } else { ["a", "b"] };
        let mut regions = Vec::new();
        let mut bound = Vec::new();
        let mut rows = Vec::new();
        for (name, &input) in names.into_iter().zip(inputs) {
            if input == 0 {
                rows.push("image".to_string());
                continue;
            }
            bound.push(name);
            if input > first {
                regions.push(self.buffer(input - first));
                rows.push(format!("r{}.input({name})", input - first));
            } else {
                regions.push(self.whole(input));
                rows.push(format!("InputRows::new({name}, 0)"));
            }
        }
        bound.push("y");
        regions.push(output);
        let (count, bound, regions) = (regions.len(), bound.join(", "), regions.join(", "));
        let binding = match count {
            1 => format!("let y = arena.region::<{regions}>();"),
            2 => format!("let ({bound}) = arena.pair::<{regions}>();"),
            _ => format!("let ({bound}) = arena.triple::<{regions}>();"),
        };
        let _ = writeln!(
            code,
            "    if n{value} > 0 {{\n        observer.start({layer});\n        {binding}"
        );
        let rows = rows.join(", ");
        let _ = match &form.call {
            Call::Rows(call) => {
                writeln!(code, "        {call}{rows}, r{value}.output(y, n{value}));")
            }
            Call::Sums(call) => writeln!(
                code,
                "        let from = r{value}.end();\n        \
                 if from == 0 {{\n            \
                 y.fill(0);\n        \
                 }}\n        \
                 {call}.add_rows({rows}.some(from, n{value}), y);\n        \
                 r{value}.advance(n{value});"
            ),
        };
        let _ = writeln!(code, "        observer.end({layer});\n    }}");
    }

    /// The region of a value's buffer: type and offset.
    fn buffer(&self, value: usize) -> String {
        let buffer = &self.plan.buffers[value - 1];
        self.some_rows(value, buffer.rows, buffer.at)
    }

    fn some_rows(&self, value: usize, rows: usize, at: usize) -> String {
        let value = self.layers()[0] + value;
        let element = self.network.format(value).element.rust_name();
        format!("[{}; {rows}], {at}", row_type(element, self.network.shape(value)))
    }

    /// The region of a value that is there as a whole: type and offset.
    fn whole(&self, value: usize) -> String {
        let element = self.network.format(value).element.rust_name();
        let at = self.arena.offsets[value].unwrap_or(0);
        format!("{}, {at}", array_type(element, self.network.shape(value)))
    }
}
