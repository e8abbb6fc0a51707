//! An inspection for people.

use std::fmt::Write;

use inkling_support::table::{columns, thousands};

use super::{Fit, Input, Inspection, NamedValue, Value};

pub(super) fn of(inspection: &Inspection) -> String {
    let named = |output: &NamedValue| format!("'{}' {}", output.name, describe(&output.value));
    let outputs = match &inspection.outputs[..] {
        [] => format!("output {}", describe(&inspection.output)),
        several => format!("outputs {}", several.iter().map(named).collect::<Vec<_>>().join(", ")),
    };
    let inputs: Vec<String> = inspection.inputs.iter().map(input).collect();
    let kind = if inputs.len() > 1 { "inputs" } else { "input" };
    let mut text = format!("{}: {kind} {}; {outputs}\n\n", inspection.form, inputs.join(", "));
    let mut rows = vec![
        ["layer", "from", "output", "MACs", "weight bytes", "in+out bytes"]
            .map(String::from)
            .to_vec(),
    ];
    for layer in &inspection.layers {
        rows.push(vec![
            layer.name.clone(),
            layer.source.clone(),
            describe(&layer.output),
            thousands(layer.macs),
            thousands(layer.weight_bytes),
            thousands(layer.in_out_bytes),
        ]);
    }
    text.push_str(&columns(&rows, 3));
    let _ = writeln!(
        text,
        "\n{} multiply-accumulates · {} bytes of weights · {} bytes of arena, and {} for the input\n",
        thousands(inspection.macs),
        thousands(inspection.weight_bytes),
        thousands(inspection.arena_bytes),
        thousands(inspection.input.shape.iter().product::<usize>()),
    );
    let head =
        ["board", "core", "", "flash", "of", "RAM", "of", "instructions", "at one per cycle"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for fit in &inspection.boards {
        rows.push(vec![
            fit.board.into(),
            fit.core.into(),
            verdict(fit),
            thousands(fit.flash_needed),
            thousands(fit.flash),
            thousands(fit.ram_needed),
            thousands(fit.ram),
            fit.instructions.map_or("–".into(), thousands),
            fit.instructions.map_or("–".into(), |count| milliseconds(count, fit.clock)),
        ]);
    }
    text.push_str(&columns(&rows, 3));
    text.push_str(
        "\nBytes of a program that does nothing else, with the stack of a small model; wide layers take \
         more.\nInstructions are estimated from layers counted in QEMU; a core takes one to two cycles \
         for most of them.\n",
    );
    text
}

/// An input, and what its integer `q` stands for.
fn input(input: &Input) -> String {
    let numbers = |numbers: &[f32]| {
        let each: Vec<String> = numbers.iter().map(|number| format!("{number:.6}")).collect();
        let each: Vec<&str> = each.iter().map(|number| plain(number)).collect();
        if each.len() > 1 { format!("[{}]", each.join(" ")) } else { each.concat() }
    };
    let offset = match input.offset.iter().all(|&offset| offset == 0.0) {
        true => String::new(),
        false => format!(" + {}", numbers(&input.offset)),
    };
    let (value, scale) = (describe(&input.value), numbers(&input.scale));
    format!("'{}' {value}, q is {scale} · q{offset}", input.name)
}

/// A decimal number without zeros at its end.
fn plain(number: &str) -> &str {
    number.trim_end_matches('0').trim_end_matches('.')
}

fn describe(value: &Value) -> String {
    let [height, width, channels] = value.shape;
    format!("{height}×{width}×{channels} {}", value.element)
}

fn verdict(fit: &Fit) -> String {
    let text = match (fit.flash_needed <= fit.flash, fit.ram_needed <= fit.ram) {
        (true, true) if fit.ram_at_most > fit.ram => "fits, stack permitting",
        (true, true) => "fits",
        (false, true) => "does not fit: flash",
        (true, false) => "does not fit: RAM",
        (false, false) => "does not fit",
    };
    text.into()
}

fn milliseconds(instructions: u64, clock: u32) -> String {
    format!("{:.1} ms", instructions as f64 * 1000.0 / f64::from(clock))
}
