//! What was typed, and the work it stands for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};

use converter::arena::ArenaPlan;
use converter::doubts::{self, Answers};
use converter::passes::PixelScale;
use converter::prove::Proof;
use converter::record::{self, ModelRecord};
use converter::verify::{self, VerifyArgs};
use converter::{Conversion, Converter, Favour, read, tflite};
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
    /// A float ONNX model from PyTorch, Keras (tf2onnx) or this project's trainer; or an int8
    /// .tflite model, which is taken as it is
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
    /// What the generated code spares: time, with whole images between the layers, or memory, with a
    /// few rows of them
    #[arg(long, value_name = "time|memory", default_value = "time")]
    favour: FavourArg,
    /// Convert even if nothing can check that the file is read as what it says
    #[arg(long)]
    unchecked: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
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

    /// Says so if `--favour memory` changes nothing.
    fn note_favour(&self, arena: &ArenaPlan) {
        if self.favour() == Favour::Memory && arena.stream.is_none() {
            console::note(format_args!(
                "--favour memory: rows take no less memory than whole images in this network, so the \
                 layers run as for time"
            ));
        }
    }
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
        return import(args, &name);
    }
    let Some(folder) = &args.calibration else {
        bail!(
            "{}: a float model needs --calibration DIR, a folder with images that look like what \
             the device will see",
            args.model.display()
        );
    };
    let onnx = read::load(&args.model).with_context(at_file)?;
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
        let mut converter = Converter::new(&name, &onnx).favour(args.favour());
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
    args.note_favour(&conversion.arena);
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

/// A model that was quantized elsewhere: nothing is chosen, nothing translated.
fn import(args: &ConvertArgs, name: &str) -> Result<()> {
    let at_file = || args.model.display().to_string();
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
    let bytes = fs::read(&args.model).with_context(at_file)?;
    let conversion =
        tflite::Conversion::new_for(name, &bytes, args.favour()).with_context(at_file)?;
    args.note_favour(&conversion.arena);
    let _folder = files::prepare_folder(&args.out, &tflite::FILES)?;
    conversion.write(&args.out)?;
    console::print(&format!(
        "{}\nWritten: {} in {}\n",
        conversion.report_markdown(),
        tflite::FILES.join(", "),
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
