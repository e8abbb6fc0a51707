//! The tables of `tools/mcu-report`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use converter::graph::Shape;
use converter::quantized::QuantizedNetwork;
use converter::record::ModelRecord;
use converter::{Favour, reference, tflite};
use firmware_core::{LayerKind, argmax};
use inkling_data::{Dataset, Split};
use inkling_support::table::thousands;

use super::cores::{Core, Cost};
use super::{BOARDS, FLASH_BUDGET, Measurement, RAM_BUDGET, Toolchain, expected, measure, simple};
use crate::networks::{INPUTS, REFERENCES, digits, samples};
use crate::{shared, tflite_micro};

/// A network, what is known of its layers, and what it costs on each core that the toolchain builds for.
struct Row {
    name: String,
    layers: Vec<(LayerKind, usize)>,
    arena: usize,
    input: usize,
    costs: Vec<Option<Cost>>,
}

/// What the networks called `names`, or in the folders of these paths, cost on `cores`: instructions,
/// instructions per multiply-accumulate by kind of layer, flash and RAM.
///
/// # Errors
///
/// What does not build or run, or whose logits are not the host's.
pub fn networks(toolchain: &Toolchain, names: &[&str], cores: &[Core]) -> Result<String, String> {
    let rows: Vec<Row> = names
        .iter()
        .map(|name| measure_network(toolchain, name, cores))
        .collect::<Result<_, _>>()?;
    let mut text = format!("{}, QEMU:\n\n", toolchain.version());
    instructions(&mut text, &rows, cores);
    by_kind(&mut text, &rows, cores);
    memory(&mut text, &rows, cores);
    Ok(text)
}

/// A network in a folder that programs are built of, with inputs and all that the host makes of them.
struct Subject {
    folder: PathBuf,
    layers: Vec<(LayerKind, usize)>,
    arena: usize,
    inputs: Vec<u8>,
    /// Bytes of one input.
    input: usize,
    expected: Expected,
}

/// What the host makes of all inputs.
enum Expected {
    Logits(Vec<i32>),
    Bytes(Vec<u8>),
}

impl Expected {
    fn is(&self, cost: &Cost) -> bool {
        match self {
            Self::Logits(logits) => cost.logits() == *logits,
            Self::Bytes(bytes) => cost.bytes() == *bytes,
        }
    }
}

impl Subject {
    fn new(name: &str, scratch: &Path) -> Result<Self, String> {
        if let Some(model) = IMPORTED.iter().find(|model| model.name == name) {
            return Self::imported(model, scratch);
        }
        let (folder, network, arena, inputs) = match REFERENCES.iter().find(|net| net.name == name)
        {
            Some(reference) => {
                let (conversion, inputs) = reference.write(scratch);
                (scratch.into(), conversion.network, conversion.arena.bytes, inputs)
            }
            None => {
                let own = name.contains('/');
                let folder =
                    if own { name.into() } else { crate::root().join("models").join(name) };
                let network = integers_of(&folder)?;
                let inputs = if own { random_inputs(&network)? } else { digits() };
                let arena = arena_of(&folder)?;
                (folder, network, arena, inputs)
            }
        };
        let logits = reference::all_logits(&network, &inputs).concat();
        Ok(Self {
            folder,
            layers: layers_of(&network),
            arena,
            input: inputs.image_size(),
            inputs: inputs.batch(0..inputs.len()),
            expected: Expected::Logits(logits),
        })
    }

    fn imported(model: &Imported, scratch: &Path) -> Result<Self, String> {
        let path = model.path().ok_or_else(|| {
            format!("{}: {} is not there, beside the project", model.name, model.file)
        })?;
        let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let imported = tflite::convert("model", &bytes, Favour::Time)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        imported.write(scratch).map_err(|error| error.to_string())?;
        let input = imported.network.input.size();
        let inputs = tflite_micro::samples(13, INPUTS, input);
        let outputs = |sample: &[u8]| reference::outputs(&imported.network, sample);
        let bytes = inputs.chunks(input).flat_map(outputs).map(|value| value as u8).collect();
        Ok(Self {
            folder: scratch.into(),
            layers: layers_of(&imported.network),
            arena: imported.arena.bytes,
            inputs,
            input,
            expected: Expected::Bytes(bytes),
        })
    }
}

/// A model of others, which is beside the project where it is there.
pub struct Imported {
    pub name: &'static str,
    file: &'static str,
}

/// MLPerf Tiny's models in TensorFlow Lite's integers.
pub const IMPORTED: [Imported; 4] = [
    Imported { name: "ic-int8", file: "models/resnet8_int8.tflite" },
    Imported { name: "kws-int8", file: "models/dscnn_int8.tflite" },
    Imported { name: "vww-int8", file: "models/mobilenetv1_025_int8.tflite" },
    Imported { name: "ad-int8", file: "models/autoencoder_int8.tflite" },
];

impl Imported {
    /// `None` where the file is not there.
    pub fn path(&self) -> Option<PathBuf> {
        shared(self.file)
    }
}

fn layers_of(network: &QuantizedNetwork) -> Vec<(LayerKind, usize)> {
    network.layers.iter().map(|layer| (layer.kind(), layer.macs())).collect()
}

fn measure_network(toolchain: &Toolchain, name: &str, cores: &[Core]) -> Result<Row, String> {
    let scratch = crate::scratch(&format!("network-{}", name.replace('/', "-")));
    let subject = Subject::new(name, &scratch)?;
    let cost = |core: &Core| {
        if !core.is_known_to(toolchain) {
            return Ok(None);
        }
        eprintln!("measuring {name} on {}", core.name);
        let cost = core.cost(toolchain, &subject.folder, &subject.inputs, subject.input)?;
        if !subject.expected.is(&cost) {
            return Err(format!("{name} on {}: its outputs are not the host's", core.name));
        }
        Ok(Some(cost))
    };
    let costs = cores.iter().map(cost).collect::<Result<_, String>>()?;
    let _ = std::fs::remove_dir_all(&scratch);
    let name = name.rsplit('/').next().unwrap_or(name).to_string();
    Ok(Row { name, layers: subject.layers, arena: subject.arena, input: subject.input, costs })
}

/// The integers of a model's folder.
///
/// # Errors
///
/// A folder without them, or whose files do not belong together.
pub fn integers_of(folder: &Path) -> Result<QuantizedNetwork, String> {
    let file = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let record = ModelRecord::of_folder(folder).map_err(|error| error.to_string())?;
    let record = record.ok_or_else(|| {
        format!("{}: no folder of a model: it has no model.json", folder.display())
    })?;
    let (_, network) = converter::restore(&file("float.onnx")?, &record, &file("int8.onnx")?)
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(network)
}

/// The bytes of the arena that the code in a model's folder asks for.
///
/// # Errors
///
/// A folder without such code.
pub fn arena_of(folder: &Path) -> Result<usize, String> {
    let path = folder.join("model.rs");
    let code =
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (_, rest) = code.split_once("pub const ARENA_BYTES: usize = ").unwrap_or_default();
    let (bytes, _) = rest.split_once(';').unwrap_or_default();
    bytes.parse().map_err(|_| format!("{}: says no ARENA_BYTES", path.display()))
}

/// Inputs of a network that computes with the bytes of one.
fn random_inputs(network: &QuantizedNetwork) -> Result<Dataset, String> {
    if network.inputs().len() != 1 {
        return Err(format!("a network of {} inputs is not measured", network.inputs().len()));
    }
    let Shape { height, width, channels } = network.input;
    let outputs = network.layers.last().map_or(0, |layer| layer.output.size());
    Ok(samples([height, width, channels], outputs, 2))
}

/// A cell for each core, a dash where nothing was measured.
fn cells(row: &Row, cell: impl Fn(&Cost) -> String) -> String {
    let cell = |cost: &Option<Cost>| cost.as_ref().map_or("–".into(), &cell);
    row.costs.iter().map(cell).collect::<Vec<_>>().join(" | ")
}

fn head(text: &mut String, first: &str, cores: &[Core]) {
    let names: Vec<_> = cores.iter().map(|core| core.name).collect();
    let columns = first.matches('|').count() + 1;
    let _ = writeln!(text, "| {first} | {} |", names.join(" | "));
    let _ = writeln!(text, "|{}{}", "---|".repeat(columns), "--:|".repeat(names.len()));
}

fn instructions(text: &mut String, rows: &[Row], cores: &[Core]) {
    head(text, "network", cores);
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} |",
            row.name,
            cells(row, |cost| thousands(cost.instructions))
        );
    }
    let _ = writeln!(text, "\nGuest instructions per image, the worst of {INPUTS} inputs.\n");
}

fn by_kind(text: &mut String, rows: &[Row], cores: &[Core]) {
    head(text, "network | layers", cores);
    for row in rows {
        let mut kinds: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, (kind, _)) in row.layers.iter().enumerate() {
            kinds.entry(kind.name()).or_default().push(index);
        }
        for (kind, layers) in kinds {
            let macs: usize = layers.iter().map(|&layer| row.layers[layer].1).sum();
            let cell = |cost: &Cost| {
                let sum: u64 = layers.iter().filter_map(|&layer| cost.layers.get(layer)).sum();
                // What multiplies nothing has no rate.
                match macs {
                    0 => thousands(sum),
                    _ => format!("{:.2}", sum as f64 / macs as f64),
                }
            };
            let unit = if macs == 0 { ", instructions" } else { "" };
            let _ = writeln!(text, "| {} | {kind}{unit} | {} |", row.name, cells(row, cell));
        }
    }
    let _ = writeln!(text, "\nGuest instructions per multiply-accumulate, by kind of layer.\n");
}

fn memory(text: &mut String, rows: &[Row], cores: &[Core]) {
    head(text, "network | bytes", cores);
    for row in rows {
        let name = &row.name;
        let weights = row.costs.iter().flatten().map(|cost| cost.weights).max().unwrap_or(0);
        for (what, cell) in [
            ("flash: weights", &(|_: &Cost| thousands(weights)) as &dyn Fn(&Cost) -> String),
            ("flash: kernels", &|cost| thousands(cost.kernels)),
            ("RAM: arena", &|_| thousands(row.arena as u64)),
            ("RAM: input", &|_| thousands(row.input as u64)),
            ("RAM: stack", &|cost| thousands(cost.stack)),
        ] {
            let _ = writeln!(text, "| {name} | {what} | {} |", cells(row, cell));
        }
    }
    let _ = writeln!(text, "\nBytes. The stack is that of a program that also reads files.\n");
}

/// What `models/simple` costs on every emulated board.
///
/// # Errors
///
/// A board over its budget.
pub fn boards(toolchain: &Toolchain) -> Result<String, String> {
    let images = Dataset::load(&crate::mnist(), Split::Test).map_err(|error| error.to_string())?;
    let measured = BOARDS.map(|board| {
        eprintln!("measuring {}", board.title);
        measure(toolchain, &board, &images)
    });
    let mut text = format!("`simple`, {}, QEMU:\n\n", toolchain.version());
    text += "| board | core | flash | weights | kernels | rest | RAM | arena | image | statics | stack |\n";
    text += "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";
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
        let bytes = bytes.map(thousands).join(" | ");
        let _ = writeln!(text, "| {} | {} | {bytes} |", board.title, board.core);
    }
    let _ = writeln!(text, "\nBytes; the budgets are {FLASH_BUDGET} and {RAM_BUDGET}.\n");

    let layers = simple::INFO.layers;
    let names: Vec<_> = layers.iter().map(|layer| layer.name).collect();
    let _ = writeln!(text, "| core | instructions per image | {} |", names.join(" | "));
    let _ = writeln!(text, "|---|--:|{}", "--:|".repeat(layers.len()));
    for (board, measured) in BOARDS.iter().zip(&measured) {
        let by_layer: Vec<_> = measured.layers.iter().copied().map(thousands).collect();
        let (core, total) = (board.core, thousands(measured.instructions));
        let _ = writeln!(text, "| {core} | {total} | {} |", by_layer.join(" | "));
    }
    text += "\nGuest instructions, the worst of the first 100 test images.\n\n";

    text += "| core | bytes of code of each function that computes |\n|---|---|\n";
    for (board, measured) in BOARDS.iter().zip(&measured) {
        let functions: Vec<String> =
            measured.kernels.iter().map(|(name, bytes)| format!("`{name}` {bytes}")).collect();
        let _ = writeln!(text, "| {} | {} |", board.core, functions.join(", "));
    }

    let right = |&index: &usize| {
        argmax(&expected(images.image(index))) == usize::from(images.labels[index])
    };
    let accuracy = 100.0 * (0..images.len()).filter(right).count() as f64 / images.len() as f64;
    let _ = writeln!(
        text,
        "\nAccuracy on the {} test images: {accuracy:.2} %, on every core: the logits are the same.",
        images.len()
    );
    for (board, Measurement { flash, ram, .. }) in BOARDS.iter().zip(&measured) {
        if flash.total() > FLASH_BUDGET || ram.total() > RAM_BUDGET {
            return Err(format!("{} is over its budget", board.title));
        }
    }
    Ok(text)
}
