//! What was typed, and the work it stands for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};

use converter::passes::PixelScale;
use converter::prove::Proof;
use converter::verify::{self, VerifyArgs};
use converter::{Conversion, Converter, reference, tflite};
use inkling_data::{Dataset, DatasetError, Split};
use inkling_support::{console, names};

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
    #[arg(long, default_value_t = 255.0, value_name = "X")]
    pixel_divisor: f32,
    /// What it then subtracted, as in torchvision's Normalize
    #[arg(long, default_value_t = 0.0, value_name = "X", allow_negative_numbers = true)]
    mean: f32,
    /// What it then divided by, as in torchvision's Normalize
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    deviation: f32,
}

/// Reads the command line and does what it says.
pub fn run() -> Result<()> {
    let cli = Cli::parse();
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
    let pixels =
        PixelScale { divisor: args.pixel_divisor, mean: args.mean, deviation: args.deviation };
    ensure!(
        [pixels.divisor, pixels.deviation].iter().all(|x| x.is_normal() && *x > 0.0)
            && pixels.mean.is_finite(),
        "--pixel-divisor and --deviation must be above 0 and --mean finite"
    );
    let name = network_name(args)?;
    let onnx = fs::read(&args.model)
        .with_context(|| format!("{}: cannot be read", args.model.display()))?;
    if tflite::is_tflite(&onnx) {
        return import(args, &name, &onnx);
    }
    let Some(folder) = &args.calibration else {
        bail!(
            "{}: a float model needs --calibration DIR, a folder with images that look like what \
             the device will see",
            args.model.display()
        );
    };
    let calibration = Dataset::load(folder, Split::Train)?;
    // Without a test set the calibration images serve as golden ones.
    let (test, test_name) = match Dataset::load(folder, Split::Test) {
        Ok(test) => (test, "test"),
        Err(DatasetError::Missing { .. }) => (calibration.clone(), "calibration"),
        Err(error) => return Err(error.into()),
    };
    let (images, labels) = Split::Test.files(folder);
    calibration.check_twin(&test, &images, &labels)?;

    let at_file = || args.model.display().to_string();
    let conversion = Converter::new(&name, &onnx)
        .pixel_scale(pixels)
        .convert(&calibration)
        .with_context(at_file)?;
    check_classes(&conversion, &calibration, args, folder)?;
    let proof = Proof::of(&conversion, &calibration, &test).with_context(at_file)?;
    let correct = reference::correct(&proof.integers.ours, &test.labels);
    let accuracy = 100.0 * correct as f64 / test.len() as f64;
    let about = format!(
        "int8 accuracy on the {} {test_name} images: {accuracy:.2} %.\n\n{}\n",
        test.len(),
        proof.statement()
    );
    conversion.write(&args.out, &test, &about)?;
    console::print(&format!(
        "{about}\n{}\nWritten: float.onnx, int8.onnx, model.rs, golden.rs, MODEL_CARD.md in {}\n",
        conversion.report_markdown(),
        args.out.display()
    ));
    Ok(())
}

/// A model that was quantized elsewhere: nothing is chosen, nothing translated.
fn import(args: &ConvertArgs, name: &str, bytes: &[u8]) -> Result<()> {
    ensure!(
        args.calibration.is_none(),
        "{}: it is quantized already; leave out --calibration",
        args.model.display()
    );
    let conversion =
        tflite::Conversion::new(name, bytes).with_context(|| args.model.display().to_string())?;
    conversion.write(&args.out)?;
    console::print(&format!(
        "{}\nWritten: {}, model.rs, golden.rs, MODEL_CARD.md, model.json in {}\n",
        conversion.report_markdown(),
        tflite::SOURCE,
        args.out.display()
    ));
    Ok(())
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
