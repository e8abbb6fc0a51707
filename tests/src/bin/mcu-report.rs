//! Prints what inference costs: the networks that are compared with other libraries on every core that QEMU
//! emulates, and `models/simple` on every board, as the README's tables have it.

use std::process::ExitCode;

use firmware_core::prepare::Polarity;
use inkling_data::frames::Scene;
use inkling_data::{Dataset, Split};
use tests::camera;
use tests::mcu::report::IMPORTED;
use tests::mcu::{APPLICATION_CORES, CORES, Core, Toolchain, costs, report};
use tests::networks::REFERENCES;

const HELP: &str = "\
Prints what inference costs on microcontrollers, as Markdown: instructions, flash and RAM.

usage: tools/mcu-report [boards] [NETWORK...] [CORE...]
       tools/mcu-report costs
       tools/mcu-report frames

  boards    models/simple on every board that QEMU emulates, 100 test images
  NETWORK   simple, digits-2k, -5k, -10k, -16k, -64k, mnist5, ic, kws, vww or ad on every core that QEMU
            emulates, 20 inputs; ic-int8, kws-int8, vww-int8 or ad-int8, MLPerf Tiny's models as TensorFlow
            Lite's integers, where their files are in ../shared/models; or the path of a model's folder, as
            models/simple, on 20 random inputs
  CORE      only on this core, named like cortex-m0, cortex-m33-with-dsp or cortex-m55-with-mve; or on one
            of telephones and small computers: cortex-a53 (NEON), cortex-a76 (dot products),
            cortex-a53-portable (what the compiler makes of the portable kernels)
  (nothing) all of them
  frames    2,000 frames of a camera prepared as digits: what models/simple makes of them, and what it
            costs on a Cortex-M0 and an M4F
  costs     what `converter inspect` estimates from, into converter/src/inspect/costs.json

Every logit is compared with the host's on the way. Needs what tools/mcu-toolchain sets up.";

/// Folders of `models`.
const MODELS: [&str; 6] =
    ["simple", "digits-2k", "digits-5k", "digits-10k", "digits-16k", "digits-64k"];

fn main() -> ExitCode {
    let imported = IMPORTED.iter().filter(|model| model.path().is_some());
    let names: Vec<&str> = MODELS
        .into_iter()
        .chain(REFERENCES.iter().map(|net| net.name))
        .chain(imported.map(|model| model.name))
        .collect();
    let (mut chosen, mut cores) = (Vec::new(), Vec::new());
    let (mut boards, mut costs) = (false, false);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for argument in &arguments {
        match argument.as_str() {
            "-h" | "--help" => {
                println!("{HELP}");
                return ExitCode::SUCCESS;
            }
            "boards" => boards = true,
            "frames" => return exit(frames()),
            "costs" => costs = true,
            folder if folder.contains('/') => chosen.push(folder),
            name => {
                let network = names.iter().find(|known| **known == name);
                let core = CORES.iter().chain(&APPLICATION_CORES).find(|core| core.slug() == name);
                chosen.extend(network);
                cores.extend(core);
                if network.is_none() && core.is_none() {
                    eprintln!(
                        "error: there is no network and no core '{name}'; there are {}, {}, {}; a folder is a path \
                         with a slash",
                        names.join(", "),
                        CORES.map(|core| core.slug()).join(", "),
                        APPLICATION_CORES.map(|core| core.slug()).join(", ")
                    );
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    if costs {
        return exit(write_costs());
    }
    if !boards && chosen.is_empty() {
        (boards, chosen) = (cores.is_empty(), names);
    }
    if cores.is_empty() {
        cores = [&CORES[..], &APPLICATION_CORES].concat();
    }
    exit(run(boards, &chosen, &cores))
}

fn exit(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn toolchain() -> Result<Toolchain, String> {
    Toolchain::find().map_err(|missing| format!("{missing}; run tools/mcu-toolchain"))
}

fn frames() -> Result<(), String> {
    let images = Dataset::load(&tests::mnist(), Split::Test).map_err(|error| error.to_string())?;
    let frames = Scene::default().frames(&images, camera::FRAMES, 1);
    for polarity in [Polarity::Dark, Polarity::Auto] {
        println!("{polarity:?} ink: {}", camera::ask(&frames, polarity));
    }
    let toolchain = toolchain()?;
    let pixels: Vec<u8> = frames.iter().flat_map(|(frame, _)| frame.pixels.clone()).collect();
    for core in CORES.iter().filter(|core| ["Cortex-M0", "Cortex-M4F"].contains(&core.name)) {
        let found = core.prepare(&toolchain, &pixels)?;
        let same = found.images.iter().zip(&frames).all(|(image, (frame, _))| {
            *image == camera::prepared(&frame.pixels, Polarity::Dark).ok()
        });
        if !same {
            return Err(format!("{}: other bytes than the host's", core.name));
        }
        println!("{}: {found}", core.name);
    }
    Ok(())
}

fn write_costs() -> Result<(), String> {
    let json = costs::json(&toolchain()?)?;
    let file = tests::root().join("converter/src/inspect/costs.json");
    std::fs::write(&file, json).map_err(|error| format!("{}: {error}", file.display()))
}

fn run(boards: bool, networks: &[&str], cores: &[Core]) -> Result<(), String> {
    let toolchain = toolchain()?;
    let (large, small): (Vec<Core>, Vec<Core>) =
        cores.iter().partition(|core| APPLICATION_CORES.contains(core));
    for cores in [small, large] {
        if !networks.is_empty() && !cores.is_empty() {
            println!("{}", report::networks(&toolchain, networks, &cores)?);
        }
    }
    if boards {
        println!("{}", report::boards(&toolchain)?);
    }
    Ok(())
}
