//! Prints what the inference of `models/simple` costs on each board, as the README's table has it.

use std::process::ExitCode;

use firmware_core::argmax;
use inkling_data::{Dataset, Split};
use tests::mcu::{
    BOARDS, FLASH_BUDGET, Measurement, RAM_BUDGET, Toolchain, expected, measure, simple,
};

const HELP: &str = "\
Builds the inference firmware of every board that QEMU emulates, runs it on 100 test images there, and
prints its flash, RAM and instruction counts as Markdown. Takes no arguments.
Needs what tools/mcu-toolchain sets up.";

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("-h" | "--help") => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some(other) => {
            eprintln!("error: unexpected argument '{other}'; see --help");
            return ExitCode::FAILURE;
        }
    }
    match report() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report() -> Result<(), String> {
    let toolchain =
        Toolchain::find().map_err(|missing| format!("{missing}; run tools/mcu-toolchain"))?;
    let images = Dataset::load(&tests::mnist(), Split::Test).map_err(|error| error.to_string())?;
    let measured = BOARDS.map(|board| {
        eprintln!("measuring {}", board.title);
        measure(&toolchain, &board, &images)
    });

    println!("`simple`, {}, QEMU:\n", toolchain.version());
    println!(
        "| board | core | flash | weights | kernels | rest | RAM | arena | image | statics | stack |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (board, Measurement { flash, ram, .. }) in BOARDS.iter().zip(&measured) {
        let bytes = [
            flash.total(),
            flash.weights,
            flash.kernels,
            flash.rest,
            ram.total(),
            ram.arena,
            ram.image,
            ram.statics,
            ram.stack,
        ];
        println!("| {} | {} | {} |", board.title, board.core, bytes.map(thousands).join(" | "));
    }
    println!("\nBytes; the budgets are {FLASH_BUDGET} and {RAM_BUDGET}.\n");

    let layers = simple::INFO.layers;
    let names: Vec<_> = layers.iter().map(|layer| layer.name).collect();
    println!("| core | instructions per image | {} |", names.join(" | "));
    println!("|---|--:|{}", "--:|".repeat(layers.len()));
    for (board, measured) in BOARDS.iter().zip(&measured) {
        let by_layer: Vec<_> = measured.layers.iter().copied().map(thousands).collect();
        println!(
            "| {} | {} | {} |",
            board.core,
            thousands(measured.instructions),
            by_layer.join(" | ")
        );
    }
    println!("\nGuest instructions, the worst of the first 100 test images.\n");

    println!("| core | bytes of code of each function that computes |\n|---|---|");
    for (board, measured) in BOARDS.iter().zip(&measured) {
        let functions: Vec<String> =
            measured.kernels.iter().map(|(name, bytes)| format!("`{name}` {bytes}")).collect();
        println!("| {} | {} |", board.core, functions.join(", "));
    }
    println!();

    let correct = (0..images.len())
        .filter(|&index| {
            argmax(&expected(images.image(index))) == usize::from(images.labels[index])
        })
        .count();
    let accuracy = 100.0 * correct as f64 / images.len() as f64;
    println!(
        "Accuracy on the {} test images: {accuracy:.2} %, on every core: the logits are the same.",
        images.len()
    );
    for (board, Measurement { flash, ram, .. }) in BOARDS.iter().zip(&measured) {
        if flash.total() > FLASH_BUDGET || ram.total() > RAM_BUDGET {
            return Err(format!("{} is over its budget", board.title));
        }
    }
    Ok(())
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
