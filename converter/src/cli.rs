//! What was typed, and the work it stands for.

mod calibration;
mod inspect;
mod source;
mod written;

use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, bail, ensure};
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use firmware_core::blob::{LAYOUTS, Layout as BlobLayout};

use converter::arena::ArenaPlan;
use converter::doubts::{self, Answers};
use converter::emit::blob::{self, BlobEmitError};
use converter::imported::ImportedModel;
use converter::inspect::{Fit, Inspection};
use converter::passes::{PerChannel, PixelScale};
use converter::prove::Proof;
use converter::quantize::Bits;
use converter::quantized::{QuantizedLayer, QuantizedNetwork};
use converter::record::{self, ModelRecord};
use converter::verify::{self, VerifyArgs};
use converter::{Conversion, Converter, Favour, qdq, tflite};
use inkling_data::Dataset;
use inkling_data::prepare::{Layout, Polarity};
use inkling_support::{console, files, names, shell, stage};

use crate::library::{self, LibraryArgs};
use source::Source;
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

/// The main job: a model to model.rs, golden.rs, a model card and, from float ONNX, int8.onnx.
#[derive(Args)]
struct ConvertArgs {
    /// A float ONNX model from PyTorch, Keras (tf2onnx) or this project's trainer; or a quantized
    /// model, an int8 .tflite or an ONNX file in QDQ or QOperator form, which is taken as it is
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Samples that choose the exponents of a float model: a data set in any form that the trainer
    /// takes, or a folder of pictures without labels
    #[arg(long, alias = "data", value_name = "DATA")]
    calibration: Option<PathBuf>,
    /// What part of a picture of --calibration becomes the image [default: the model's record's, or
    /// whole]
    #[arg(long, value_enum)]
    layout: Option<Layout>,
    /// Whether the ink is lighter or darker than its ground [default: the record's, or auto]
    #[arg(long, value_enum)]
    ink: Option<Polarity>,
    /// Folder for the results; created where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name of the network in the generated code [default: the output folder's name]
    #[arg(long)]
    name: Option<String>,
    /// What the model's training divided pixels by: 255 for 0…1, 1 for raw pixels
    /// [default: what the file's own record or its input says, else 255]
    #[arg(long, value_name = "X")]
    pixel_divisor: Option<f32>,
    /// What it then subtracted, as in torchvision's Normalize: one number, or one per channel
    /// [default: the record's, or 0]
    #[arg(long, value_name = "X[,X…]", allow_hyphen_values = true)]
    mean: Option<PerChannel>,
    /// What it then divided by, as in torchvision's Normalize: one number, or one per channel
    /// [default: the record's, or 1]
    #[arg(long, value_name = "X[,X…]")]
    deviation: Option<PerChannel>,
    /// What the generated code spares: time, with whole images between the layers, or memory, with a
    /// few rows of them
    #[arg(long, value_name = "time|memory", default_value = "time")]
    favour: FavourArg,
    /// Bits of weights: 4 for all layers with weights but the first and the last one, other bits for
    /// layers by the name that they have in the file [default: the record's, or 8]
    #[arg(long, value_name = "4|LAYER=4[,…]")]
    bits: Option<Bits>,
    /// Writes the model in other forms beside model.rs: `blob` is data that firmware_core::blob loads,
    /// to replace a model in the field or to show it in a browser; `c` are headers, of which and
    /// model.rs `converter library` makes a static library
    #[arg(long, value_name = "FORM", value_enum, value_delimiter = ',')]
    emit: Vec<Form>,
    /// The kernels that will run a blob, as firmware_core::KERNELS names them; several make several
    /// blobs. Hosts, browsers and all other targets take `portable`
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "portable",
          value_parser = PossibleValuesParser::new(LAYOUTS.map(|(name, _)| name)))]
    kernels: Vec<String>,
    /// The board that it is for: one without room for it is a warning before anything else
    #[arg(long, value_name = "NAME", value_parser = inspect::board)]
    board: Option<String>,
    /// Print JSON: what was written, accuracy, layers, cost, boards and warnings
    #[arg(long)]
    json: bool,
    /// Which samples golden.rs has: `none` leaves out test images whose licence asks for more than
    /// yours, as MNIST's does (CC BY-SA)
    #[arg(long, value_name = "WHICH", value_enum, default_value = "images")]
    golden: Golden,
    /// Convert even if nothing can check that the file is read as what it says
    #[arg(long)]
    unchecked: bool,
}

/// The samples in golden.rs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Golden {
    Images,
    None,
}

#[derive(Clone, Copy, ValueEnum)]
enum FavourArg {
    Time,
    Memory,
}

impl ConvertArgs {
    fn favour(&self) -> Favour {
        match self.favour {
            FavourArg::Time => Favour::Time,
            FavourArg::Memory => Favour::Memory,
        }
    }

    /// Says so if a blob has no packed weights.
    fn note_bits(&self, network: &QuantizedNetwork) {
        let packed = |layer: &QuantizedLayer| layer.parameters().is_some_and(|it| it.bits == 4);
        if self.emit.contains(&Form::Blob) && network.layers.iter().any(packed) {
            console::note(format_args!(
                "weights of 4 bits take a byte each in a blob; they are packed in model.rs"
            ));
        }
    }

    /// Says so if `--favour memory` changes nothing.
    fn note_favour(&self, arena: &ArenaPlan) {
        if self.favour() == Favour::Memory && arena.stream.is_none() {
            console::note(format_args!(
                "--favour memory: rows take no less memory than whole images in this network, so the \
                 layers run as for time"
            ));
        } else if self.favour() == Favour::Memory && self.emit.contains(&Form::Blob) {
            console::note(format_args!(
                "--favour memory: a blob has whole images between its layers; rows are in model.rs"
            ));
        }
    }
}

/// A form of a model beside model.rs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Blob,
    C,
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
    let name = network_name(args)?;
    files::check_folder(&args.out)?;
    let at_file = || args.model.display().to_string();
    let source = Source::read(&args.model)?;
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
    let pixels = pixel_scale(args, own.as_ref())?;
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
    let outputs = converter(None).lower().with_context(at_file)?;
    let misfit = misfit(args, || Ok(converter(None).sketch()?)).with_context(at_file)?;
    stage::show(format_args!("reading {}", folder.display()));
    let images = calibration::load(folder, &outputs, own.as_ref(), (args.layout, args.ink))?;
    let calibration::Images { calibration, test, test_name, labelled, form, notes } = images;
    for note in notes {
        console::note(format_args!("{}: {note}", folder.display()));
    }
    let mut record =
        own.unwrap_or_else(|| ModelRecord { command: command(&name), ..ModelRecord::new(&name) });
    if labelled && record.labels.is_empty() && calibration.names.len() == outputs.answers() {
        record.labels.clone_from(&calibration.names);
    }
    let mut converter = converter(Some(record));
    if let Some(form) = form {
        converter = converter.form(form);
    }
    stage::show(format_args!("choosing exponents on {} samples", calibration.len()));
    let mut conversion = converter.convert(&calibration).with_context(at_file)?;
    check_classes(&conversion, &calibration, args, folder)?;
    let prove = if args.unchecked { Proof::of_unchecked } else { Proof::of };
    stage::show(format_args!("proving the reading and the logits of {} samples", test.len()));
    let proof = prove(&conversion, &calibration, &test).with_context(at_file)?;
    let answers = Answers::new(&conversion, &proof.integers.ours, &test);
    let mut warnings: Vec<String> = misfit.into_iter().collect();
    warnings.extend(answers.doubts(&conversion.record.labels, test_name));
    warnings.extend(doubts::of_layers(&conversion.network, &conversion.report));
    warnings.extend(doubts::of_calibration(&calibration));
    if let Some(note) = proof.reading.note().filter(|_| args.unchecked) {
        warnings.push(note);
    }
    conversion.record.warnings = warnings;
    let int8 = answers.percent(answers.int8_correct());
    let accuracy = match labelled {
        true => format!(
            "Accuracy on the {} {test_name} images: {:.2} % in float, {int8:.2} % in int8.",
            test.len(),
            answers.percent(answers.float_correct()),
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
    args.note_favour(&conversion.arena);
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
        accuracy: Some(Accuracy {
            images: test.len(),
            labelled,
            float_percent: answers.percent(answers.float_correct()),
            int8_percent: int8,
        }),
        notes: &conversion.notes,
        warnings: &conversion.record.warnings,
        model: Inspection::new_for(kind, &conversion.network, args.favour()),
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
    args.note_favour(&model.arena);
    let by_range = model.pixels.is_some().then(|| model.record());
    if let Some(pixels) = pixel_scale(args, by_range.as_ref())? {
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

/// How the model's training scaled pixels, if any option says so; what the options leave open is as
/// the file's own record has it.
fn pixel_scale(args: &ConvertArgs, record: Option<&ModelRecord>) -> Result<Option<PixelScale>> {
    if (args.pixel_divisor, &args.mean, &args.deviation) == (None, &None, &None) {
        return Ok(None);
    }
    let recorded = record.and_then(ModelRecord::pixel_scale);
    let plain = recorded.clone().unwrap_or_default();
    let pixels = PixelScale {
        divisor: args.pixel_divisor.unwrap_or(plain.divisor),
        mean: args.mean.clone().unwrap_or_else(|| plain.mean.clone()),
        deviation: args.deviation.clone().unwrap_or_else(|| plain.deviation.clone()),
    };
    pixels.check().map_err(Error::msg)?;
    if recorded.is_some_and(|recorded| recorded != pixels) {
        console::note(format_args!(
            "warning: {}: says that its pixels were scaled otherwise (divisor {}, mean {}, deviation \
             {}); the options count",
            args.model.display(),
            plain.divisor,
            plain.mean,
            plain.deviation
        ));
    }
    Ok(Some(pixels))
}

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

/// The network's name: a Rust-friendly word.
fn network_name(args: &ConvertArgs) -> Result<String> {
    let name = match &args.name {
        Some(name) => name.clone(),
        None => folder_name(&args.out).unwrap_or_else(|| "model".into()),
    };
    match (names::check(&name), &args.name) {
        (Ok(()), _) => Ok(name),
        (Err(what), Some(_)) => bail!("--name {name:?}: {what}"),
        (Err(what), None) => bail!(
            "--out {}: the network would be called {name:?} after this folder, which does not fit \
             ({what}); give it a name with --name",
            args.out.display()
        ),
    }
}

fn folder_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_string())
}

fn check_classes(
    conversion: &Conversion,
    images: &Dataset,
    args: &ConvertArgs,
    folder: &Path,
) -> Result<()> {
    let answers = conversion.network.answers();
    ensure!(
        images.classes() <= answers,
        "{}: the labels go up to {}, but {} tells {answers} classes apart",
        folder.display(),
        images.classes() - 1,
        args.model.display()
    );
    Ok(())
}
