//! `trainer compare`: models beside each other, as text and as a page, and what is said of bad input.

use std::fs;
use std::process::{Command, Output};

use tests::{program, root, scratch};

fn compare(arguments: &[&str]) -> Output {
    Command::new(program("trainer"))
        .current_dir(root())
        .arg("compare")
        .args(arguments)
        .output()
        .expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The words of the line that begins with `what`.
fn row(text: &str, what: &str) -> Vec<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(what));
    let line = line.unwrap_or_else(|| panic!("no {what:?} in\n{text}"));
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(String::from).collect()
}

#[test]
fn models_are_beside_each_other() {
    let page = scratch("compare").join("page.html");
    let output = compare(&[
        "models/simple",
        "models/digits-2k",
        "models/digits-5k",
        "--html",
        page.to_str().expect("UTF-8"),
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert_eq!(row(&said, "test accuracy, int8"), ["99.56 %", "99.11 %", "99.44 %"]);
    assert_eq!(row(&said, "weights and biases, bytes"), ["22,190", "1,814", "4,949"]);
    assert_eq!(row(&said, "arena, bytes")[0], "1,760");
    assert_eq!(row(&said, "multiply-accumulates")[0], "480,500");
    // The last of simple's epochs has 4976 right of 5000, as its history says.
    assert_eq!(row(&said, "validation accuracy")[0], "99.52 %");
    // What differs is told, what is the same is not.
    assert_eq!(row(&said, "epochs")[0], "54");
    assert_eq!(row(&said, "name"), ["best", "digits", "digits"]);
    assert!(!said.contains("training images"), "all learned from as many images:\n{said}");

    let html = fs::read_to_string(&page).expect("it is written");
    assert_eq!(html.matches("<polyline").count(), 3 * 3, "three charts with three lines");
    assert_eq!(html.matches("the layers of the network").count(), 3, "three graphs");
    for outside in ["http:", "https:", "<script", "NaN", "inf"] {
        let found = html.find(outside).map(|at| &html[at..html.len().min(at + 40)]);
        assert_eq!(found, None, "the page needs nothing beside itself");
    }
}

/// One line that names the file, and nothing written.
#[test]
fn bad_input_is_refused_by_name() {
    let folder = scratch("compare-bad");
    let page = folder.join("page.html");
    let damaged = folder.join("simple");
    fs::create_dir(&damaged).expect("a test can make folders");
    for file in ["float.onnx", "int8.onnx", "model.json", "MODEL_CARD.md", "recipe.toml"] {
        fs::copy(root().join("models/simple").join(file), damaged.join(file)).expect("copied");
    }
    fs::write(damaged.join("history.json"), "{\"model\": 3}").expect("a test can write");
    let damaged = damaged.to_str().expect("UTF-8");
    let written = page.to_str().expect("UTF-8");
    for (other, wanted) in [(damaged, "history.json"), ("models/none", "models/none")] {
        let output = compare(&["models/simple", other, "--html", written]);
        let said = text(&output.stderr);
        assert!(!output.status.success(), "{other} is taken");
        assert!(said.starts_with("error: ") && said.contains(wanted), "{said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        assert!(!page.exists(), "a page is there after {said}");
    }
    // A model without a history, as the converter leaves it, is no error.
    fs::remove_file(folder.join("simple/history.json")).expect("it is there");
    let output = compare(&["models/digits-2k", damaged]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(row(&text(&output.stdout), "epochs")[1], "–");

    let output = compare(&["models/simple"]);
    assert!(!output.status.success() && text(&output.stderr).contains("2 values required"));
}
