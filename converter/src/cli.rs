//! What was typed, and the work it stands for.

mod arguments;
mod calibration;
mod inspect;
mod written;

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};
use firmware_core::blob::Layout as BlobLayout;

use converter::doubts::{self, Answers};
use converter::emit::blob::{self, BlobEmitError};
use converter::imported::ImportedModel;
use converter::inspect::{Fit, Inspection};
use converter::prove::Proof;
use converter::quantized::QuantizedNetwork;
use converter::record::{self, ModelRecord, TestedRecord};
use converter::source::Source;
use converter::verify::{self, VerifyArgs};
use converter::{Conversion, Converter, qdq, tflite};
use inkling_data::Dataset;
use inkling_support::{console, files, shell, stage};

use crate::library::{self, LibraryArgs};
use arguments::{ConvertArgs, Form, Golden};
use written::{Accuracy, Written};

/// Turns a float ONNX classifier into the integers that firmware-core runs.
#[derive(Parser)]
#[command(
    name = "converter",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Cli {
    #[command(flatten)]
    convert: Option<ConvertArgs>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Sends a test set to a device and compares every logit with the host's
    Verify(VerifyArgs),
    /// Builds models that were converted with --emit c as a static library for C and C++
    Library(LibraryArgs),
    /// Lists a model's layers, what they cost, and the boards it fits on; converts nothing
    Inspect(inspect::InspectArgs),
}

/// Reads the command line and does what it says.
pub fn run() -> Result<()> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => error.exit(),
        Err(help) => {
            console::print(&help.render().to_string());
            return Ok(());
        }
    };
    match (cli.command, cli.convert) {
        (Some(command), _) => match command {
            Command::Verify(args) => verify(&args),
            Command::Library(args) => library::run(&args),
            Command::Inspect(args) => inspect::run(&args),
        },
        (None, Some(args)) => convert(&args),
        (None, None) => bail!("no model given; see --help"),
    }
}

fn verify(args: &VerifyArgs) -> Result<()> {
    let verification = verify::run(args)?;
    console::print(&verification.report());
    let wrong = verification.mismatches;
    ensure!(
        wrong == 0,
        "{wrong} logits differ from the host's; the device does not compute what was verified"
    );
    Ok(())
}

fn convert(args: &ConvertArgs) -> Result<()> {
    let name = args.network_name()?;
    files::check_folder(&args.out)?;
    let at_file = || args.model.display().to_string();
    let source = Source::read(&args.model).with_context(at_file)?;
    let kind = source.name();
    let (onnx, translated) = match source {
        Source::Tflite(bytes) => {
            let model = || Ok(tflite::convert(&name, &bytes, args.favour())?);
            return import(args, kind, &tflite::FILES, model);
        }
        Source::Quantized(onnx) => {
            let model = || Ok(qdq::convert(&name, &onnx, args.favour())?);
            return import(args, kind, &qdq::FILES, model);
        }
        Source::Float { onnx, translated } => (onnx, translated),
    };
    let Some(folder) = &args.calibration else {
        bail!(
            "{}: a float model needs --calibration DATA, samples that look like what the device will \
             see (a data set, or a folder of pictures)",
            args.model.display()
        );
    };
    let own = ModelRecord::of_onnx(&onnx).with_context(at_file)?;
    let pixels = args.pixel_scale(own.as_ref())?;
    let converter = |record: Option<ModelRecord>| {
        let mut converter = Converter::new(&name, &onnx).favour(args.favour());
        if let Some(pixels) = &pixels {
            converter = converter.pixel_scale(pixels.clone());
        }
        if let Some(bits) = &args.bits {
            converter = converter.bits(bits.clone());
        }
        match record {
            Some(record) => converter.record(record),
            None => converter,
        }
    };
    let mut outputs = converter(None).lower().with_context(at_file)?;
    let misfit = misfit(args, || Ok(converter(None).sketch()?)).with_context(at_file)?;
    stage::show(format_args!("reading {}", folder.display()));
    let images = calibration::load(folder, &outputs, own.as_ref(), (args.layout, args.ink))?;
    let calibration::Images { calibration, test, test_name, labelled, forms: of_inputs, notes } =
        images;
    for note in notes {
        console::note(format_args!("{}: {note}", folder.display()));
    }
    let mut record =
        own.unwrap_or_else(|| ModelRecord { command: command(&name), ..ModelRecord::new(&name) });
    if labelled && record.labels.is_empty() {
        outputs.classify(calibration.names.len());
    }
    let labelled = labelled && outputs.gives_vector();
    if labelled && record.labels.is_empty() && calibration.names.len() == outputs.answers() {
        record.labels.clone_from(&calibration.names);
    }
    let mut converter = converter(Some(record));
    converter = converter.forms(of_inputs);
    stage::show(format_args!("choosing exponents on {} samples", calibration.len()));
    let mut conversion = converter.convert(&calibration).with_context(at_file)?;
    conversion.origin.section.clone_from(&args.weights_section);
    check_classes(&conversion, &calibration, args, folder)?;
    let prove = if args.unchecked { Proof::of_unchecked } else { Proof::of };
    stage::show(format_args!("proving the reading and the logits of {} samples", test.len()));
    let proof = prove(&conversion, &calibration, &test).with_context(at_file)?;
    let answers = Answers::new(&conversion, &proof.integers.ours, &test);
    let mut warnings: Vec<String> = misfit.into_iter().collect();
    if conversion.network.gives_vector() {
        warnings.extend(answers.doubts(&conversion.record.labels, test_name));
    }
    warnings.extend(doubts::of_layers(&conversion.network, &conversion.report));
    warnings.extend(doubts::of_calibration(&calibration));
    if let Some(note) = proof.reading.note().filter(|_| args.unchecked) {
        warnings.push(note);
    }
    conversion.record.warnings = warnings;
    let (float_right, int8_right) = (answers.float_correct(), answers.int8_correct());
    conversion.tested =
        labelled.then_some(TestedRecord { samples: test.len(), float_right, int8_right });
    let int8 = answers.percent(int8_right);
    let accuracy = match labelled {
        _ if !conversion.network.gives_vector() => format!(
            "The network returns an image and tells no classes apart; over {} {test_name} images its \
             integers are off from the float values by {:.2} % of their root mean square.",
            conversion.report.images,
            100.0 * conversion.report.relative_errors.last().copied().unwrap_or_default(),
        ),
        true => format!(
            "Accuracy on the {} {test_name} images: {:.2} % in float, {int8:.2} % in int8.",
            test.len(),
            answers.percent(float_right),
        ),
        false => format!(
            "The {} {test_name} images have no labels: int8 answers {int8:.2} % of them as float does.",
            test.len()
        ),
    };
    if translated {
        conversion.notes.push(
            "float.onnx is the ONNX form of the .tflite file; the reading was checked on that form"
                .into(),
        );
    }
    let mut about = format!("{accuracy}\n\n{}\n", proof.statement());
    for note in &conversion.notes {
        about.push_str(&format!("\nNote: {note}.\n"));
    }
    args.note_favour(&conversion.arena, &conversion.network);
    args.note_bits(&conversion.network);
    let golden = match args.golden {
        Golden::Images => test.clone(),
        Golden::None => test.subset(&[]),
    };
    let headers = conversion.c_headers(&golden);
    let forms = forms(args, headers, |layout| conversion.blob(layout)).with_context(at_file)?;
    let names = all_files(&FILES, &forms);
    let _folder = files::prepare_folder(&args.out, &names)?;
    let beside = forms.iter().map(|(name, bytes)| (&name[..], bytes.clone())).collect();
    conversion.write_with(&args.out, &golden, &about, beside)?;
    let written = Written {
        name: &name,
        folder: &args.out,
        files: &names,
        accuracy: conversion.network.gives_vector().then(|| Accuracy {
            images: test.len(),
            labelled,
            float_percent: answers.percent(float_right),
            int8_percent: int8,
        }),
        notes: &conversion.notes,
        warnings: &conversion.record.warnings,
        model: Inspection::new_for(kind, &conversion.network, args.favour())
            .with_pixels(&conversion.pixels),
    };
    written.tell(args.json, || format!("{about}\n{}", conversion.report_markdown()));
    Ok(())
}

/// Says first of all if there is no room for the model on the board that it is for.
fn misfit(
    args: &ConvertArgs,
    network: impl FnOnce() -> Result<QuantizedNetwork>,
) -> Result<Option<String>> {
    let Some(board) = &args.board else { return Ok(None) };
    let inspection = Inspection::new_for("", &network()?, args.favour());
    let misfit = inspection.on(board).and_then(Fit::misfit);
    if let Some(misfit) = &misfit {
        console::note(format_args!("warning: {}: {misfit}", args.model.display()));
    }
    Ok(misfit)
}

/// A model that was quantized elsewhere: nothing is chosen, nothing translated.
fn import(
    args: &ConvertArgs,
    form: &str,
    files: &[&str],
    model: impl FnOnce() -> Result<ImportedModel>,
) -> Result<()> {
    let at_file = || args.model.display().to_string();
    ensure!(
        args.calibration.is_none(),
        "{}: it is quantized already; leave out --calibration",
        args.model.display()
    );
    ensure!(
        args.bits.is_none(),
        "{}: it is quantized already; leave out --bits",
        args.model.display()
    );
    ensure!(
        args.golden == Golden::Images,
        "{}: its golden samples are noise that nobody owns; leave out --golden",
        args.model.display()
    );
    let mut model = model().with_context(at_file)?;
    if let Some(section) = &args.weights_section {
        model = model.in_section(section);
    }
    args.note_favour(&model.arena, &model.network);
    let by_range = model.pixels.is_some().then(|| model.record());
    if let Some(pixels) = args.pixel_scale(by_range.as_ref())? {
        model = model.scaled(pixels);
    }
    if model.pixels.is_none() {
        console::note(format_args!(
            "{}: the range of its input is not that of pixels; --pixel-divisor, --mean and --deviation \
             say how its training scaled them, which evaluate, predict and explain must know",
            args.model.display()
        ));
    }
    let misfit = misfit(args, || Ok(model.network.clone()))?;
    let headers = model.c_headers();
    let forms = forms(args, headers, |layout| model.blob(layout)).with_context(at_file)?;
    let names = all_files(files, &forms);
    let _folder = files::prepare_folder(&args.out, &names)?;
    let beside = forms.iter().map(|(name, bytes)| (&name[..], bytes.clone())).collect();
    model.write_with(&args.out, beside)?;
    let written = Written {
        name: &model.record().name,
        folder: &args.out,
        files: &names,
        accuracy: None,
        notes: &[],
        warnings: &misfit.into_iter().collect::<Vec<_>>(),
        model: Inspection::new(form, &model.network),
    };
    written.tell(args.json, || model.report_markdown());
    Ok(())
}

/// The files of the forms that were asked for beside model.rs.
fn forms(
    args: &ConvertArgs,
    headers: [(String, String); 2],
    of_layout: impl Fn(BlobLayout) -> Result<Vec<u8>, BlobEmitError>,
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    if args.emit.contains(&Form::Blob) {
        for kernels in &args.kernels {
            let layout = BlobLayout::of(kernels).context("the kernels are not known")?;
            files.push((blob::file_name(kernels), of_layout(layout)?));
        }
    }
    if args.emit.contains(&Form::C) {
        let no_golden = args.golden == Golden::None;
        let headers = headers.into_iter().take(if no_golden { 1 } else { 2 });
        files.extend(headers.map(|(name, text)| (name, text.into_bytes())));
    }
    Ok(files)
}

fn all_files<'a>(files: &[&'a str], forms: &'a [(String, Vec<u8>)]) -> Vec<&'a str> {
    files.iter().copied().chain(forms.iter().map(|(name, _)| &name[..])).collect()
}

/// What a conversion writes.
const FILES: [&str; 6] =
    ["float.onnx", "int8.onnx", "model.rs", "golden.rs", "MODEL_CARD.md", record::FILE];

/// The command that makes the model again, from what was typed.
fn command(name: &str) -> String {
    let mut words: Vec<String> =
        ["cargo", "run", "--bin", "converter", "--"].map(String::from).into();
    // The name follows from the folder, which may be another next time.
    let typed = shell::typed(std::env::args().skip(1), &["--name"], &[]);
    words.extend(typed);
    words.extend(["--name".to_string(), name.to_string()]);
    shell::line(words.iter().map(String::as_str))
}

fn check_classes(
    conversion: &Conversion,
    images: &Dataset,
    args: &ConvertArgs,
    folder: &Path,
) -> Result<()> {
    let answers = conversion.network.answers();
    if !conversion.network.gives_vector() {
        return Ok(());
    }
    ensure!(
        images.classes() <= answers,
        "{}: the labels go up to {}, but {} tells {answers} classes apart",
        folder.display(),
        images.classes() - 1,
        args.model.display()
    );
    Ok(())
}
