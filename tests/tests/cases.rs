//! The files of others in `../shared/cases`, where they are: each ends as its table says, and the
//! README shows what converts.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use converter::prove::Proof;
use converter::{Converter, Favour, qdq, read, reference, tflite};
use inkling_data::read::labels;
use inkling_data::{Dataset, Split};
use tests::{root, skip};

/// Where the table of the README begins and ends.
const BEGIN: &str = "<!-- what converts: written by tests/tests/cases.rs -->\n";
const END: &str = "<!-- end -->";

/// Images to calibrate with and to compare on: enough for the accuracies that are told.
const CALIBRATION: usize = 60;
const TEST: usize = 60;

/// A line of one of the tables: the file or folder, and what is said of it.
struct Row {
    path: PathBuf,
    name: String,
    /// The last column: what is right, or what the file is.
    says: String,
    /// The line stands for other files, too.
    shared: bool,
}

/// The model files that the tables of the cases name; `table` is the heading of the first column.
fn rows(cases: &Path, table: &str) -> Vec<Row> {
    let text = fs::read_to_string(cases.join("README.md")).expect("the cases have a table");
    let begin = format!("| {table} |");
    let lines = text.lines().skip_while(|line| !line.starts_with(&begin)).skip(2);
    let mut rows = Vec::new();
    for line in lines.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let says = cells.last().copied().unwrap_or_default().to_string();
        let names = cells[0].split(['`', ',', ' ']).filter(|name| !name.is_empty());
        let paths: Vec<PathBuf> = names.flat_map(|name| matching(cases, table, name)).collect();
        let shared = table == "file" && paths.len() > 1;
        for path in paths {
            let name = path.strip_prefix(cases).unwrap_or(&path).display().to_string();
            rows.push(Row { path, name, says: says.clone(), shared });
        }
    }
    rows
}

/// The files that a name of the table stands for, which may have a star.
fn matching(cases: &Path, table: &str, name: &str) -> Vec<PathBuf> {
    if table != "file" || !(name.ends_with(".onnx") || name.ends_with(".tflite")) {
        let folder = if name.starts_with("onnx_") || name.starts_with("valid_") {
            cases.join("hostile").join(name)
        } else {
            cases.join(name)
        };
        let file = folder.join("model.onnx");
        return if file.exists() { vec![file] } else { Vec::new() };
    }
    let (front, back) = name.split_once('*').unwrap_or((name, ""));
    let folder = fs::read_dir(cases.join("models")).expect("there are models");
    let mut files: Vec<PathBuf> = folder.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| {
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name.contains('*') {
            true => file.starts_with(front) && file.ends_with(back),
            false => file == name,
        }
    });
    files.sort();
    files
}

/// How a conversion ended.
enum Outcome {
    /// With the share of the test images that the integers get right, if there are such.
    Converts {
        accuracy: Option<f64>,
        note: Option<String>,
    },
    Refused(String),
}

fn convert(path: &Path, digits: &[Dataset; 2]) -> Outcome {
    let result = || -> Result<Outcome, String> {
        // tests/tests/tflite.rs compares it.
        if path.extension().is_some_and(|extension| extension == "tflite") {
            let tflite = fs::read(path).map_err(|error| error.to_string())?;
            tflite::convert("case", &tflite, Favour::Time).map_err(|error| error.to_string())?;
            return Ok(Outcome::Converts { accuracy: None, note: None });
        }
        let onnx = read::load(path).map_err(|error| error.to_string())?;
        // What is quantized already is taken as it is; tests/tests/quantized_onnx.rs compares it.
        if read::File::decode(&onnx).is_ok_and(|file| qdq::is_quantized(&file)) {
            qdq::convert("case", &onnx, Favour::Time).map_err(|error| error.to_string())?;
            return Ok(Outcome::Converts { accuracy: None, note: None });
        }
        let converter = Converter::new("case", &onnx);
        let input = converter.lower().map_err(|error| error.to_string())?.input;
        let shape = [input.height, input.width, input.channels];
        let [train, test] = digits;
        let fits = shape == train.shape || shape == [1, 1, train.image_size()];
        let noise = noise(shape);
        let (train, test) = if fits { (train, test) } else { (&noise, &noise) };
        let (train, test) = (&train.spaced(CALIBRATION), &test.spaced(TEST));
        let conversion = converter.convert(train).map_err(|error| error.to_string())?;
        let proof = Proof::of(&conversion, train, test).map_err(|error| error.to_string())?;
        let correct = reference::correct(&proof.integers.ours, &test.labels);
        let accuracy = fits.then(|| 100.0 * correct as f64 / test.len() as f64);
        let note = proof.reading.note().or_else(|| conversion.notes.first().cloned());
        Ok(Outcome::Converts { accuracy, note })
    };
    result().unwrap_or_else(Outcome::Refused)
}

/// Images of any shape, to calibrate with what has no data here.
fn noise(shape: [usize; 3]) -> Dataset {
    let mut rng = fastrand::Rng::with_seed(3);
    let size: usize = shape.iter().product();
    let samples = (0..8 * size).map(|_| rng.u8(..)).collect();
    Dataset::new(shape, samples, vec![0, 1, 0, 1, 0, 1, 0, 1], labels::numbers(2))
}

#[test]
fn every_case_ends_as_its_table_says_and_the_readme_shows_what_converts() {
    let cases = root().join("../shared/cases");
    if !cases.exists() {
        let enable = "the folder shared beside the project";
        return skip(
            "files of others",
            "there is no ../shared/cases",
            enable,
            "INKLING_REQUIRE_CASES",
        );
    }
    let load = |split| Dataset::load(&cases.join("calibration_28"), split).expect("is IDX");
    let digits = [load(Split::Train), load(Split::Test)];
    let mut wrong = Vec::new();
    let mut check = |row: &Row, outcome: &Outcome| {
        let (says, name) = (&row.says, &row.name);
        let must_convert =
            ["converts", "100 %", "accepted"].iter().any(|part| says.starts_with(part))
                && !says.contains("refused");
        match outcome {
            Outcome::Refused(line) if must_convert => wrong.push(format!("{name}: {line}")),
            Outcome::Refused(line) if line.lines().count() != 1 => {
                wrong.push(format!("{name}: refused in more than a line"));
            }
            Outcome::Converts { .. } if says.starts_with("refused by name") => {
                wrong.push(format!("{name}: converts, but {says}"));
            }
            Outcome::Converts { accuracy, .. }
                if says.contains("100 %") && accuracy.is_none_or(|right| right < 99.0) =>
            {
                wrong.push(format!("{name}: {accuracy:?} % right, but {says}"));
            }
            _ => {}
        }
    };
    for row in rows(&cases, "case") {
        check(&row, &convert(&row.path, &digits));
    }
    let mut table = String::from("| file | result |\n|---|---|\n");
    for row in rows(&cases, "file") {
        let outcome = convert(&row.path, &digits);
        check(&row, &outcome);
        let result = match outcome {
            Outcome::Converts { note: None, .. } => "converts, exact".to_string(),
            Outcome::Converts { note: Some(_), .. } => "converts, exact, with a note".to_string(),
            Outcome::Refused(line) => {
                let short = line.split(';').next().unwrap_or(&line).replace('|', "\\|");
                format!("refused: {short}")
            }
        };
        let file = row.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // Some lines tell of several files at once.
        let about = match (row.shared, row.says.split([';', ':']).next()) {
            (false, Some(about)) if !about.contains('%') => format!("{about} (`{file}`)"),
            _ => format!("`{file}`"),
        };
        writeln!(table, "| {about} | {result} |").expect("a string takes text");
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));

    let page = root().join("README.md");
    let text = fs::read_to_string(&page).expect("the page is there");
    let (before, rest) = text.split_once(BEGIN).expect("the page has a place for the table");
    let (_, after) = rest.split_once(END).expect("the place has an end");
    let now = format!("{before}{BEGIN}{table}{END}{after}");
    if std::env::var_os("INKLING_WRITE").is_some() {
        return fs::write(&page, now).expect("the page can be written");
    }
    assert!(
        text == now,
        "the README's table is another; write it with \
         INKLING_WRITE=1 cargo test -p tests --test cases"
    );
}
