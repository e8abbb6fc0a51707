//! What was typed, and the work it stands for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};

use converter::doubts::{self, Answers};
use converter::imported::ImportedModel;
use converter::passes::PixelScale;
use converter::prove::Proof;
use converter::record::{self, ModelRecord};
use converter::verify::{self, VerifyArgs};
use converter::{Conversion, Converter, qdq, read, tflite};
use inkling_data::{Dataset, DatasetError, Split};
use inkling_support::{console, files, names, shell};

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
}

/// The main job: a model to model.rs, golden.rs, a model card and, from float ONNX, int8.onnx.
#[derive(Args)]
struct ConvertArgs {
    /// A float ONNX model from PyTorch, Keras (tf2onnx) or this project's trainer; or a quantized
    /// model, an int8 .tflite or an ONNX file in QDQ or QOperator form, which is taken as it is
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Folder with the IDX files whose training images choose the exponents of a float model
    #[arg(long, value_name = "DIR")]
    calibration: Option<PathBuf>,
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
    /// What it then subtracted, as in torchvision's Normalize
    /// [default: the record's, or 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    mean: Option<f32>,
    /// What it then divided by, as in torchvision's Normalize
    /// [default: the record's, or 1]
    #[arg(long, value_name = "X")]
    deviation: Option<f32>,
    /// Convert even if nothing can check that the file is read as what it says
    #[arg(long)]
    unchecked: bool,
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
    let at_file = || args.model.display().to_string();
    if tflite::is_tflite(&fs::read(&args.model).with_context(at_file)?) {
        check_import_options(args)?;
        let bytes = fs::read(&args.model).with_context(at_file)?;
        let conversion = tflite::Conversion::new(&name, &bytes).with_context(at_file)?;
        return write_import(args, &conversion.model, &tflite::FILES);
    }
    let onnx = read::load(&args.model).with_context(at_file)?;
    if read::File::decode(&onnx).is_ok_and(|file| qdq::is_quantized(&file)) {
        check_import_options(args)?;
        let conversion = qdq::Conversion::new(&name, &onnx).with_context(at_file)?;
        return write_import(args, &conversion.model, &qdq::FILES);
    }
    let Some(folder) = &args.calibration else {
        bail!(
            "{}: a float model needs --calibration DIR, a folder with images that look like what \
             the device will see",
            args.model.display()
        );
    };
    let own = ModelRecord::of_onnx(&onnx).with_context(at_file)?;
    let pixels = pixel_scale(args, own.as_ref())?;
    let calibration = Dataset::load(folder, Split::Train)?;
    // Without a test set the calibration images serve as golden ones.
    let (test, test_name) = match Dataset::load(folder, Split::Test) {
        Ok(test) => (test, "test"),
        Err(DatasetError::Missing { .. }) => (calibration.clone(), "calibration"),
        Err(error) => return Err(error.into()),
    };
    let (images, labels) = Split::Test.files(folder);
    calibration.check_twin(&test, &images, &labels)?;

    let mut record =
        own.unwrap_or_else(|| ModelRecord { command: command(&name), ..ModelRecord::new(&name) });
    let converter = |record: Option<ModelRecord>| {
        let mut converter = Converter::new(&name, &onnx);
        if let Some(pixels) = pixels {
            converter = converter.pixel_scale(pixels);
        }
        match record {
            Some(record) => converter.record(record),
            None => converter,
        }
    };
    let outputs = converter(None).lower().with_context(at_file)?;
    if record.labels.is_empty() && calibration.names.len() == outputs.classes() {
        record.labels.clone_from(&calibration.names);
    }
    let mut conversion = converter(Some(record)).convert(&calibration).with_context(at_file)?;
    check_classes(&conversion, &calibration, args, folder)?;
    let prove = if args.unchecked { Proof::of_unchecked } else { Proof::of };
    let proof = prove(&conversion, &calibration, &test).with_context(at_file)?;
    let answers = Answers::new(&conversion.float, &proof.integers.ours, &test);
    let mut warnings = answers.doubts(&conversion.record.labels, test_name);
    warnings.extend(doubts::of_layers(&conversion.network, &conversion.report));
    warnings.extend(doubts::of_calibration(&calibration));
    if let Some(note) = proof.reading.note().filter(|_| args.unchecked) {
        warnings.push(note);
    }
    conversion.record.warnings = warnings;
    let mut about = format!(
        "Accuracy on the {} {test_name} images: {:.2} % in float, {:.2} % in int8.\n\n{}\n",
        test.len(),
        answers.percent(answers.float_correct()),
        answers.percent(answers.int8_correct()),
        proof.statement()
    );
    for note in &conversion.notes {
        about.push_str(&format!("\nNote: {note}.\n"));
    }
    let _folder = files::prepare_folder(&args.out, &FILES)?;
    conversion.write(&args.out, &test, &about)?;
    console::print(&format!(
        "{about}\n{}\nWritten: {} in {}\n",
        conversion.report_markdown(),
        FILES.join(", "),
        args.out.display()
    ));
    for warning in &conversion.record.warnings {
        console::note(format_args!("warning: {warning}"));
    }
    Ok(())
}

/// Of a model that was quantized elsewhere nothing is chosen and nothing translated.
fn check_import_options(args: &ConvertArgs) -> Result<()> {
    ensure!(
        args.calibration.is_none(),
        "{}: it is quantized already; leave out --calibration",
        args.model.display()
    );
    ensure!(
        (args.pixel_divisor, args.mean, args.deviation) == (None, None, None),
        "{}: it says itself what its integers stand for; leave out --pixel-divisor, --mean and \
         --deviation",
        args.model.display()
    );
    Ok(())
}

fn write_import(args: &ConvertArgs, model: &ImportedModel, names: &[&str]) -> Result<()> {
    let _folder = files::prepare_folder(&args.out, names)?;
    model.write(&args.out)?;
    console::print(&format!(
        "{}\nWritten: {} in {}\n",
        model.report_markdown(),
        names.join(", "),
        args.out.display()
    ));
    Ok(())
}

/// What a conversion writes.
const FILES: [&str; 6] =
    ["float.onnx", "int8.onnx", "model.rs", "golden.rs", "MODEL_CARD.md", record::FILE];

/// How the model's training scaled pixels, if any option says so; what the options leave open is as
/// the file's own record has it.
fn pixel_scale(args: &ConvertArgs, record: Option<&ModelRecord>) -> Result<Option<PixelScale>> {
    if (args.pixel_divisor, args.mean, args.deviation) == (None, None, None) {
        return Ok(None);
    }
    let recorded = record.and_then(ModelRecord::pixel_scale);
    let plain = recorded.unwrap_or_default();
    let pixels = PixelScale {
        divisor: args.pixel_divisor.unwrap_or(plain.divisor),
        mean: args.mean.unwrap_or(plain.mean),
        deviation: args.deviation.unwrap_or(plain.deviation),
    };
    ensure!(
        [pixels.divisor, pixels.deviation].iter().all(|x| x.is_normal() && *x > 0.0)
            && pixels.mean.is_finite(),
        "--pixel-divisor and --deviation must be above 0 and --mean finite"
    );
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
    let mut words: Vec<String> = ["cargo", "run", "-p", "converter", "--"].map(String::from).into();
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
    let logits = conversion.network.classes();
    ensure!(
        images.classes() <= logits,
        "{}: the labels go up to {}, but {} has {logits} outputs",
        folder.display(),
        images.classes() - 1,
        args.model.display()
    );
    Ok(())
}
