//! `trainer play`: a page on which one draws, and sees every integer of the answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use inkling_data::prepare::Polarity;
use inkling_support::console;
use inkling_support::files::write_atomically;
use serde_json::json;
use trainer::ask::model::Model;

use super::data::PictureArgs;
use super::sample::preparation;

const PAGE: &str = include_str!("../../../play/page/index.html");
const STYLE: &str = include_str!("../../../play/page/style.css");
const SCRIPT: &str = include_str!("../../../play/page/play.js");
const TARGET: &str = "wasm32-unknown-unknown";

/// Shows a network at work in the browser: draw, and see every integer of the answer.
///
/// firmware-core and the preparation of `predict` are compiled to WebAssembly, so the page computes the
/// integers of the microcontroller. The page is one file that loads nothing else.
#[derive(Args)]
pub struct PlayCommand {
    /// Folder of a model; given twice, two answer side by side [default: models/simple]
    #[arg(long, value_name = "DIR")]
    model: Vec<PathBuf>,
    /// Write the page as index.html into this folder instead of serving it
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The port on this computer that the page is served on
    #[arg(long, default_value_t = 8028)]
    port: u16,
    #[command(flatten)]
    picture: PictureArgs,
}

pub fn run(args: &PlayCommand) -> Result<()> {
    let simple = [PathBuf::from("models/simple")];
    let folders = if args.model.is_empty() { &simple[..] } else { &args.model[..] };
    if folders.len() > 2 {
        bail!("--model is given {} times; two models fit side by side", folders.len());
    }
    let models = folders.iter().map(|folder| model(folder, args.picture));
    let models = models.collect::<Result<Vec<_>>>()?;
    // `<` would be read as markup where it begins a tag.
    let models = serde_json::to_string(&models)?.replace('<', "\\u003c");
    let page = PAGE
        .replace("{style}", STYLE)
        .replace("{script}", SCRIPT)
        .replace("{wasm}", &STANDARD.encode(wasm()?))
        .replace("{models}", &models);
    match &args.out {
        Some(folder) => {
            let file = folder.join("index.html");
            write_atomically(&file, page.as_bytes())
                .with_context(|| format!("{}: cannot be written", file.display()))?;
            console::print(&format!("{}\n", file.display()));
            Ok(())
        }
        None => serve(&page, args.port),
    }
}

/// What the page must know of a model.
fn model(folder: &Path, options: PictureArgs) -> Result<serde_json::Value> {
    let model = Model::open(folder)?;
    let preparation = preparation(&model, options)?;
    let rule = model.record.unknown.as_ref().map(|unknown| unknown.rule);
    let unknown = model.unknown.zip(rule).map(
        |(unknown, rule)| json!({ "rule": rule, "class": unknown.class, "threshold": unknown.threshold }),
    );
    let blob = model.blob().with_context(|| folder.display().to_string())?;
    Ok(json!({
        "name": model.name,
        "blob": STANDARD.encode(blob),
        "layout": preparation.layout as u8,
        "polarity": match preparation.polarity {
            Polarity::Auto => 0,
            Polarity::Light => 1,
            Polarity::Dark => 2,
        },
        "unsure": model.unsure(),
        "unknown": unknown,
    }))
}

/// Builds the crate `play`; takes a few seconds the first time and nothing afterwards.
fn wasm() -> Result<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = root.join("target/play");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--locked", "--target", TARGET])
        .arg("--manifest-path")
        .arg(root.join("play/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        // Flags that are meant for this computer are not for the browser.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-C target-feature=+simd128")
        .output()
        .context("cargo cannot be run, which compiles the kernels for the browser")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("can't find crate for") {
            bail!("there is no compiler for the browser: rustup target add {TARGET}");
        }
        let first = said.lines().find(|line| line.starts_with("error")).unwrap_or("no reason said");
        bail!("the kernels cannot be compiled for the browser: {first}");
    }
    let file = target.join(TARGET).join("release/inkling_play.wasm");
    std::fs::read(&file).with_context(|| format!("{}: cannot be read", file.display()))
}

/// Serves the page to this computer until interrupted.
fn serve(page: &str, port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("port {port} cannot be used; try --port {}", port ^ 1))?;
    let address = listener.local_addr()?;
    console::print(&format!("http://{address}/  (Ctrl-C ends it)\n"));
    for stream in listener.incoming().flatten() {
        // A browser that went away is no reason to stop.
        let _ = respond(stream, page);
    }
    Ok(())
}

fn respond(mut stream: TcpStream, page: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    let mut request = BufReader::new((&stream).take(16 << 10));
    let (mut first, mut line) = (String::new(), String::new());
    request.read_line(&mut first)?;
    // What is left unread would make the system cut the answer short.
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut words = first.split_whitespace();
    let (status, body) = match (words.next(), words.next()) {
        (Some("GET"), Some("/" | "/index.html")) => ("200 OK", page),
        (Some("GET"), Some(_)) => ("404 Not Found", "only / is here"),
        _ => ("405 Method Not Allowed", "only GET is answered"),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}"
    )
}
