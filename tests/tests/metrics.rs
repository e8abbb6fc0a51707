//! Scores against values worked out by hand, and the reports that carry them.

use std::fs;
use std::process::Command;

use inkling_data::corrupt::Corruption;
use inkling_data::{Dataset, Split};
use tests::{mnist, program, root, scratch};
use trainer::ask::metrics::{Scores, wilson};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|class| class.to_string()).collect()
}

/// Five images of three classes; every score counted on paper.
#[test]
fn scores_are_those_counted_by_hand() {
    let labels = [0, 0, 1, 1, 2];
    let probabilities = vec![
        vec![0.7, 0.2, 0.1],
        vec![0.4, 0.5, 0.1],
        vec![0.1, 0.8, 0.1],
        vec![0.6, 0.1, 0.3],
        vec![0.2, 0.2, 0.6],
    ];
    let scores = Scores::new(&names(3), &labels, &probabilities);
    assert_eq!((scores.images, scores.correct), (5, 3));
    assert_eq!(scores.accuracy, 0.6);
    assert_eq!(scores.accuracy_interval, wilson(3, 5));
    // The label of image 1 is second, that of image 3 last.
    assert_eq!(scores.top2, 0.8);
    assert_eq!(scores.confusion, [vec![1, 1, 0], vec![1, 1, 0], vec![0, 0, 1]]);
    // Class 0 is answered twice, once rightly, and has two images: all its scores are 1/2.
    for class in [0, 1] {
        let scores = &scores.classes[class];
        assert_eq!((scores.precision, scores.recall, scores.f1), (Some(0.5), Some(0.5), Some(0.5)));
    }
    assert_eq!(scores.classes[2].f1, Some(1.0));
    assert!((scores.macro_f1 - 2.0 / 3.0).abs() < 1e-12);
    let loss = -(0.7_f64.ln() + 0.4_f64.ln() + 0.8_f64.ln() + 0.1_f64.ln() + 0.6_f64.ln()) / 5.0;
    assert!((scores.loss - loss).abs() < 1e-6);
    // Confidences 0.7, 0.5, 0.8, 0.6, 0.6 with right, wrong, right, wrong, right. The two 0.6 share
    // a bin: 0.5 right on average.
    let error = (0.3 + 0.5 + 0.2 + 2.0 * 0.1) / 5.0;
    assert!((scores.calibration.error - error).abs() < 1e-6, "{}", scores.calibration.error);
    let mistakes: Vec<usize> = scores.mistakes.iter().map(|mistake| mistake.image).collect();
    assert_eq!(mistakes, [3, 1], "the surest first");
}

#[test]
fn a_class_without_images_says_nothing() {
    let scores = Scores::new(&names(3), &[0, 1], &[vec![1.0, 0.0, 0.0], vec![0.0, 1.0, 0.0]]);
    assert_eq!(
        (scores.classes[2].precision, scores.classes[2].recall, scores.classes[2].f1),
        (None, None, None)
    );
    assert_eq!((scores.accuracy, scores.macro_f1), (1.0, 1.0));
}

#[test]
fn damage_is_repeatable_and_grows_with_its_strength() {
    let all = Dataset::load(&mnist(), Split::Test).expect("MNIST is there");
    let images = all.subset(&(0..100).collect::<Vec<_>>());
    let change = |damaged: &Dataset| -> u64 {
        let pairs = images.images().flatten().zip(damaged.images().flatten());
        pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum()
    };
    for kind in Corruption::ALL {
        let [weak, .., strong] = kind.strengths(28);
        let damaged = kind.apply(&images, strong, 1);
        assert_eq!(damaged, kind.apply(&images, strong, 1), "{kind:?}");
        assert_eq!(damaged.labels, images.labels);
        let changes = [change(&kind.apply(&images, weak, 1)), change(&damaged)];
        assert!(0 < changes[0] && changes[0] < changes[1], "{kind:?}: {changes:?}");
    }
    assert_ne!(
        Corruption::Noise.apply(&images, 50.0, 1),
        Corruption::Noise.apply(&images, 50.0, 2)
    );
}

/// The command's three outputs agree, and the page needs nothing but itself.
#[test]
fn the_command_writes_text_json_and_a_page() {
    let out = scratch("metrics-command");
    let output = Command::new(program("trainer"))
        .current_dir(root())
        .args([
            "evaluate",
            "--model",
            "models/simple",
            "--data",
            "data/mnist",
            "--limit",
            "400",
            "--corrupt",
        ])
        .args(["--json", out.join("scores.json").to_str().expect("UTF-8")])
        .args(["--html", out.join("scores.html").to_str().expect("UTF-8")])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let json = fs::read_to_string(out.join("scores.json")).expect("it is written");
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    let accuracy = json["int8"]["accuracy"].as_f64().expect("a number");
    assert!(accuracy > 0.97, "{accuracy}");
    assert!(text.contains(&format!("{:.2} %", 100.0 * accuracy)), "{text}");
    assert_eq!(json["int8"]["images"], 400);
    assert_eq!(json["damage"].as_array().map(Vec::len), Some(24));
    let page = fs::read_to_string(out.join("scores.html")).expect("it is written");
    assert!(page.contains("<svg") && page.contains("data:image/png;base64,"));
    for outside in ["<script", "http://", "https://", "src=\"/", "@import", "url("] {
        assert!(!page.contains(outside), "the page has {outside}");
    }
}

/// A model that is not there, or data that does not fit, is one line and exit code 1.
#[test]
fn what_does_not_fit_is_said_in_one_line() {
    let folder = scratch("metrics-misfit");
    for (label, shade) in [("cat", 90), ("dog", 200)] {
        fs::create_dir(folder.join(label)).expect("made");
        for number in 0..3 {
            let picture = image::GrayImage::from_fn(40, 40, |x, y| {
                image::Luma([if (10 + number..30).contains(&x) && (10..30).contains(&y) {
                    shade
                } else {
                    0
                }])
            });
            picture.save(folder.join(label).join(format!("{number}.png"))).expect("written");
        }
    }
    let data = folder.to_str().expect("UTF-8");
    for (arguments, part) in [
        (vec!["--model", "no/such/model", "--data", "data/mnist"], "no/such/model/float.onnx"),
        (vec!["--model", "models/simple", "--data", data], "has no test set"),
        (vec!["--model", "models/simple", "--data", data, "--part", "all"], "no class \"cat\""),
        (vec!["--model", "models/simple", "--data", "no/such/data"], "no/such/data"),
    ] {
        let output = Command::new(program("trainer"))
            .current_dir(root())
            .arg("evaluate")
            .args(arguments)
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.starts_with("error: ") && text.contains(part) && text.trim().lines().count() == 1,
            "{text}"
        );
    }
}
