//! `trainer sweep`: which values of a recipe are best.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use inkling_support::console;
use trainer::learn::backend::Choice;
use trainer::line::sweep::{Design, Member, Sweep};

use super::data::{self, ImportArgs};

/// Trains many times with different values of a recipe and tells which were best.
///
/// A sweep file says what to vary. This one tries six combinations:
///
///     name = "first"
///     recipe = "default"
///     images = 10000
///     [values]
///     rate = [0.02, 0.05, 0.1]
///     "optimizer.momentum" = [0.8, 0.9]
///
/// trainer/sweeps/example.toml explains all that may be in it: random combinations, ranges,
/// successive halving, several seeds. Validation images decide; the test set stays closed. The
/// output folder gets best.toml, a recipe for --recipe; sweep.html with the table, plots and
/// learning curves; sweep.json; and a folder per run. Runs do not depend on how many are done at
/// once, and what was interrupted goes on with --resume.
///
/// On several machines with a shared folder a scheduler does the runs: --members says how many there
/// are in each round, --member does one of them, and --collect tells the result, the same bytes.
/// docs/cluster has a script for Slurm and a manifest for Kubernetes.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct SweepCommand {
    /// The sweep: a TOML file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The data set: IDX files, a CSV file, or a folder per label with pictures [default: the
    /// file's, or data/mnist]
    #[arg(long, value_name = "DATA")]
    data: Option<PathBuf>,
    #[command(flatten)]
    import: ImportArgs,
    /// Folder for the runs and results [default: target/inkling/sweep-NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the sweep in the output folder: finished runs are kept
    #[arg(long)]
    resume: bool,
    /// Only list the trials and how many runs and epochs they are
    #[arg(long)]
    list: bool,
    /// Only print how many members each round has, a line per round
    #[arg(long, conflicts_with_all = ["list", "resume", "parallel"])]
    members: bool,
    /// Do one run, number K from 0 on, in the output folder that all members share [default:
    /// SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX]
    #[arg(long, value_name = "K", num_args = 0..=1)]
    #[arg(conflicts_with_all = ["list", "members", "resume", "parallel"])]
    member: Option<Option<usize>>,
    /// The round of the member, from 1 on; only halving has several. The rounds before it must be
    /// through
    #[arg(long, value_name = "R", requires = "member", default_value_t = 1)]
    round: usize,
    /// Tell what the members in the output folder came to
    #[arg(long, conflicts_with_all = ["list", "members", "member", "resume", "parallel"])]
    collect: bool,
    /// Runs at once, each on one thread; changes nothing but the time [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: Option<u16>,
    /// What runs the training graphs
    #[arg(long, value_enum, default_value_t)]
    backend: Choice,
    /// A library of ONNX Runtime, 1.24 or newer, such as .../libonnxruntime.so.1.24.4
    #[arg(long, value_name = "FILE")]
    ort_lib: Option<PathBuf>,
}

pub fn run(args: SweepCommand) -> Result<()> {
    if args.list {
        console::print(&Design::open(&args.file)?.text());
        return Ok(());
    }
    if args.members {
        let members = Design::open(&args.file)?.members();
        console::print(&members.iter().map(|count| format!("{count}\n")).collect::<String>());
        return Ok(());
    }
    let member = match args.member {
        Some(number) => Some(Member::new(args.round, number, |name| std::env::var_os(name))?),
        None => None,
    };
    let sweep = Sweep {
        file: args.file,
        data: args.data,
        // The sweep file has the seed.
        import: args.import.options(0),
        out: args.out,
        resume: args.resume,
        parallel: args.parallel.map(usize::from),
        backend: args.backend,
        ort_lib: args.ort_lib,
    };
    let result = match member {
        Some(member) => sweep.run_member(member),
        None if args.collect => sweep.collect(),
        None => sweep.run(),
    };
    if let Err(error) = &result {
        data::list_bad(error);
    }
    result
}
