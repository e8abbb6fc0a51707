//! Sweeps: what they try, that nothing but the sweep file and the data decides the outcome, that a
//! killed one goes on as if nothing had happened, and what is said of bad files.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::sweep::{Bench, VALIDATION, text};
use serde_json::Value;
use trainer::learn::recipe::Recipe;

/// The accuracy and the loss of a round of a trial, `None` where it diverged.
fn result(round: &Value) -> Option<(f64, f64)> {
    Some((round["validation_accuracy"].as_f64()?, round["validation_loss"].as_f64()?))
}

fn rounds(trial: &Value) -> &[Value] {
    trial["rounds"].as_array().expect("a trial has rounds")
}

fn trials(sweep: &Value) -> &[Value] {
    sweep["trials"].as_array().expect("a sweep has trials")
}

#[test]
fn a_grid_tries_every_combination_and_leaves_the_test_set_alone() {
    let bench = Bench::new("sweep-grid");
    bench.write(
        "seeds = 2\nimages = 100\n[values]\nrate = [0.001, 0.05]\nepochs = [1, 2]\n\
         \"augmentation.rotation\" = [0.0, 8.0]\n",
    );
    let out = bench.run("out", &[]);
    let sweep = bench.json("out");
    let tried: BTreeSet<String> =
        trials(&sweep).iter().map(|trial| trial["values"].to_string()).collect();
    let mut expected = BTreeSet::new();
    for rate in ["0.001", "0.05"] {
        for epochs in [1, 2] {
            for rotation in ["0.0", "8.0"] {
                expected.insert(format!(
                    "{{\"augmentation.rotation\":{rotation},\"epochs\":{epochs},\"rate\":{rate}}}"
                ));
            }
        }
    }
    assert_eq!(tried, expected);

    // Each run has the epochs and the seed that it should have, and the mean is that of its seeds.
    for trial in trials(&sweep) {
        let [round] = rounds(trial) else { panic!("a grid has one round: {trial}") };
        assert_eq!(round["epochs"], trial["values"]["epochs"]);
        let correct: Vec<u64> = (0..2)
            .map(|seed| {
                let trained = &round["seeds"][seed]["trained"];
                let epochs = trained["epochs"].as_array().expect("a curve");
                assert_eq!(trained["epoch"].as_u64(), round["epochs"].as_u64());
                assert_eq!(Some(epochs.len() as u64), round["epochs"].as_u64());
                epochs[epochs.len() - 1]["validation_correct"].as_u64().expect("a count")
            })
            .collect();
        let mean = (correct[0] + correct[1]) as f64 / (2 * VALIDATION) as f64;
        assert!((result(round).expect("it learned").0 - mean).abs() < 1e-12, "{trial}");
    }
    // The best first, in the file, on the screen and as a recipe.
    let results: Vec<_> = trials(&sweep).iter().map(|trial| result(&rounds(trial)[0])).collect();
    assert!(results.is_sorted_by(better_or_equal), "{results:?}");
    assert!(results[0] != results[7], "all trials are equal, so this test shows nothing");
    let best = &trials(&sweep)[0];
    assert_eq!(best["trial"], sweep["best"]);
    let recipe = Recipe::parse(&bench.file("out", "best.toml")).expect("a recipe");
    assert_eq!(Some(recipe.rate), best["values"]["rate"].as_f64());
    assert_eq!(Some(recipe.epochs as u64), best["values"]["epochs"].as_u64());
    assert_eq!(
        recipe.augmentation.map(|augmentation| f64::from(augmentation.rotation)),
        best["values"]["augmentation.rotation"].as_f64()
    );
    for part in ["8 trials, 16 runs, 24 epochs", "100 of 220 for training", "±", "--recipe"] {
        assert!(out.contains(part), "{part:?} is missing in:\n{out}");
    }
    let page = bench.file("out", "sweep.html");
    assert!(page.contains("<circle") && page.contains("<polyline") && page.contains("rotation"));
    assert!(!page.contains("<script") && !page.contains("src=\"http"), "the page needs others");

    // What the command at the end says works.
    let mut train = Command::new(&bench.program);
    train.arg("--recipe").arg(bench.folder.join("out/best.toml"));
    train.arg("--data").arg(bench.folder.join("data")).args(["--name", "t", "--backend", "tract"]);
    text(&train.arg("--out").arg(bench.folder.join("t")).output().expect("the trainer starts"));

    // Other test images change nothing.
    bench.data("other", 3);
    text(&bench.command("other", "out-other", &[]).output().expect("the trainer starts"));
    assert!(bench.file("out", "sweep.json") == bench.file("out-other", "sweep.json"));
}

#[test]
fn trials_learn_what_is_none_of_the_classes_and_are_judged_by_it() {
    let bench = Bench::new("sweep-unknown");
    let unknown = "[values]\nepochs = [1]\n\"unknown.share\" = [0.25, 1.0]\n";
    let recipe = bench.file("", "recipe.toml") + "\n[unknown]\nkinds = [\"noise\", \"half\"]\n";
    std::fs::write(bench.folder.join("recipe.toml"), recipe).expect("a test can write");
    bench.write(unknown);
    let out = bench.run("out", &[]);
    let sweep = bench.json("out");
    // As many samples of something else as validation images.
    assert_eq!(sweep["validation_images"].as_u64(), Some(2 * VALIDATION), "{out}");
    assert!(trials(&sweep).iter().all(|trial| result(&rounds(trial)[0]).is_some()), "{out}");
    let best = Recipe::parse(&bench.file("out", "best.toml")).expect("a recipe");
    let share = best.unknown.expect("it has the section").share;
    assert_eq!(Some(f64::from(share)), trials(&sweep)[0]["values"]["unknown.share"].as_f64());

    bench.write("[values]\n\"unknown.by\" = [\"class\", \"threshold\"]\n");
    let error = bench.command("data", "mixed", &[]).output().expect("the trainer starts");
    let error = String::from_utf8_lossy(&error.stderr).into_owned();
    assert!(error.contains("some trials learn an unknown class and some do not"), "{error}");
}

/// Whether `a` may stand before `b`.
fn better_or_equal(a: &Option<(f64, f64)>, b: &Option<(f64, f64)>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.0 > b.0 || a.0 == b.0 && a.1 <= b.1,
        (_, None) => true,
        (None, Some(_)) => false,
    }
}

#[test]
fn random_trials_follow_from_the_seed_and_not_from_the_number_at_once() {
    let bench = Bench::new("sweep-random");
    let sweep = |seed: u64| {
        format!(
            "method = \"random\"\ntrials = 5\nseed = {seed}\nimages = 100\n[values]\nepochs = \
             [1, 2]\n[ranges]\nrate = {{ low = 0.01, high = 0.1, scale = \"log\" }}\nbatch = \
             {{ low = 8, high = 64 }}\n"
        )
    };
    bench.write(&sweep(0));
    bench.run("one", &["--parallel", "1"]);
    bench.run("three", &["--parallel", "3"]);
    assert!(bench.files("one") == bench.files("three"), "--parallel changed something");
    let values = |out: &str| -> BTreeSet<String> {
        trials(&bench.json(out)).iter().map(|trial| trial["values"].to_string()).collect()
    };
    for trial in trials(&bench.json("one")) {
        let values = &trial["values"];
        let rate = values["rate"].as_f64().expect("a rate");
        let batch = values["batch"].as_u64().expect("a whole number");
        assert!((0.01..=0.1).contains(&rate) && (8..=64).contains(&batch), "{values}");
    }
    assert_eq!(values("one").len(), 5, "the same trial twice");
    bench.write(&sweep(1));
    bench.run("seed", &[]);
    assert!(values("one").is_disjoint(&values("seed")), "another seed drew the same");
}

#[test]
fn halving_keeps_the_best_and_its_epochs_add_up() {
    let bench = Bench::new("sweep-halving");
    bench.write(
        "method = \"halving\"\ntrials = 7\n[values]\n\"optimizer.momentum\" = [0.0, 0.9]\n\
         [ranges]\nrate = { low = 0.0001, high = 0.2, scale = \"log\" }\n\
         [halving]\nfactor = 2\nfirst_epochs = 1\n",
    );
    let out = bench.run("out", &[]);
    assert!(out.contains("7 trials, 11 runs, 17 epochs altogether"), "{out}");
    let sweep = bench.json("out");
    let trials = trials(&sweep);
    let in_round = |round: usize| -> Vec<&Value> {
        trials.iter().filter(|trial| rounds(trial).len() > round).collect()
    };
    for (round, (count, epochs)) in [(7, 1), (3, 2), (1, 4)].into_iter().enumerate() {
        let present = in_round(round);
        assert_eq!(present.len(), count, "round {round}");
        for trial in &present {
            assert_eq!(rounds(trial)[round]["epochs"].as_u64(), Some(epochs));
            assert_eq!(
                rounds(trial)[round]["seeds"][0]["trained"]["epochs"].as_array().map(Vec::len),
                Some(epochs as usize)
            );
        }
        // Nobody who left was better than anybody who stayed.
        let stay: Vec<_> = in_round(round + 1).iter().map(|t| result(&rounds(t)[round])).collect();
        let leave: Vec<_> = present
            .iter()
            .filter(|trial| rounds(trial).len() == round + 1)
            .map(|trial| result(&rounds(trial)[round]))
            .collect();
        for (stay, leave) in stay.iter().flat_map(|stay| leave.iter().map(move |l| (stay, l))) {
            assert!(better_or_equal(stay, leave), "{leave:?} left and {stay:?} stayed");
        }
    }
    assert_eq!(rounds(&trials[0]).len(), 3, "the best is not from the last round");
    let spent: usize = fs::read_dir(bench.folder.join("out/runs"))
        .expect("the runs' folder")
        .map(|run| {
            let text = fs::read_to_string(run.expect("a run").path().join("recipe.toml"));
            Recipe::parse(&text.expect("each run has its recipe")).expect("a recipe").epochs
        })
        .sum();
    assert_eq!(spent, 17);
    assert_eq!(Recipe::parse(&bench.file("out", "best.toml")).map(|recipe| recipe.epochs), Ok(4));
}

#[test]
fn killed_and_resumed_sweeps_give_the_same_bytes() {
    let bench = Bench::new("sweep-resume");
    let sweep = "method = \"halving\"\ntrials = 4\n[values]\n\"augmentation.rotation\" = [0.0, 8.0]\n\
                 [ranges]\nrate = { low = 0.01, high = 0.1 }\n[halving]\nfactor = 2\nfirst_epochs = 2\n";
    bench.write(sweep);
    bench.run("whole", &["--parallel", "2"]);
    let expected = bench.files("whole");

    let mut rng = fastrand::Rng::new();
    let seed = rng.get_seed();
    let (mut interrupted, mut kept) = (0, 0);
    for round in 0..3 {
        let out = format!("killed{round}");
        // Until so many runs have a checkpoint or a result, and a moment more.
        for wanted in [1 + round, 3 + round] {
            let mut child = bench
                .command("data", &out, &["--resume", "--parallel", "2"])
                .stdout(Stdio::null())
                .spawn()
                .expect("the trainer starts");
            let begun = Instant::now();
            let begun_runs = || {
                let files = fs::read_dir(bench.folder.join(&out).join("runs"));
                let entries = files.into_iter().flatten().filter_map(Result::ok);
                let has = |entry: &fs::DirEntry, name: &str| entry.path().join(name).exists();
                entries.filter(|e| has(e, "checkpoint.bin") || has(e, "result.json")).count()
            };
            while begun_runs() < wanted && begun.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(rng.u64(..40)));
            interrupted += u32::from(child.try_wait().expect("a child can be asked").is_none());
            // SIGKILL: the program has no chance to tidy up.
            let _ = child.kill();
            child.wait().expect("a child can be waited for");
        }
        let results = |name: &&PathBuf| name.ends_with("result.json");
        let before: Vec<PathBuf> = bench.files(&out).keys().filter(results).cloned().collect();
        let written = |name: &PathBuf| {
            let path = bench.folder.join(&out).join(name);
            fs::metadata(path).and_then(|data| data.modified()).expect("a time")
        };
        let times: Vec<_> = before.iter().map(written).collect();
        kept += before.len();
        bench.run(&out, &["--resume", "--parallel", "1"]);
        assert!(before.iter().map(written).eq(times), "a finished run was done again");
        assert!(bench.files(&out) == expected, "other bytes after two kills (seed {seed})");
    }
    assert!(interrupted >= 3, "only {interrupted} kills hit a running sweep (seed {seed})");
    assert!(kept > 0, "no run was finished before a kill (seed {seed})");

    // A finished sweep tells its table again; one that has changed is another.
    let again = bench.run("whole", &["--resume"]);
    assert!(again.contains("rank") && bench.files("whole") == expected, "{again}");
    let refuse = |sweep: &str, more: &[&str], part: &str| {
        bench.write(sweep);
        let output = bench.command("data", "whole", more).output().expect("the trainer starts");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.lines().count() == 1 && error.contains(part), "{error}");
        assert!(bench.files("whole") == expected, "a refused sweep changed something");
    };
    refuse(sweep, &[], "--resume goes on with it");
    let other = sweep.replace("high = 0.1", "high = 0.2");
    refuse(&other, &["--resume"], "changed since then: the sweep file; give --out a new folder");
}

/// A training that diverges is a result, the worst one.
#[test]
fn what_diverges_comes_last() {
    let bench = Bench::new("sweep-nan");
    // A decay of 1 at a rate of 100 makes every weight 99 times as large in each step.
    let sweep = |rates: &str| {
        format!(
            "images = 100\n[values]\nrate = {rates}\nepochs = [2]\nbatch = [4]\n\
             \"optimizer.weight_decay\" = [1.0]\n"
        )
    };
    bench.write(&sweep("[100.0, 0.01]"));
    let out = bench.run("out", &[]);
    let sweep_json = bench.json("out");
    let found: Vec<_> = trials(&sweep_json)
        .iter()
        .map(|trial| (trial["values"]["rate"].as_f64(), result(&rounds(trial)[0]).is_some()))
        .collect();
    assert_eq!(found, [(Some(0.01), true), (Some(100.0), false)]);
    assert!(out.contains("training diverged; lower the learning rate"), "{out}");
    bench.write(&sweep("[100.0]"));
    let output = bench.command("data", "none", &[]).output().expect("the trainer starts");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && error.contains("every trial diverged"), "{error}");
    assert!(!bench.folder.join("none/best.toml").exists(), "the best of nothing was written");
}

#[test]
fn bad_sweeps_are_refused_in_one_line() {
    let bench = Bench::new("sweep-bad");
    let refused = |sweep: &str, more: &[&str], parts: &[&str]| {
        bench.write(sweep);
        let output = bench.command("data", "out", more).output().expect("the trainer starts");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{sweep}: {error}");
        assert_eq!(error.lines().count(), 1, "{sweep}: {error}");
        assert!(output.stdout.is_empty(), "{sweep}: {}", String::from_utf8_lossy(&output.stdout));
        for part in parts {
            assert!(error.contains(part), "{part:?} is missing in {error:?}");
        }
        assert!(!bench.folder.join("out").exists(), "{sweep}: something was written");
    };
    let random = "method = \"random\"\ntrials = 2\n";
    let halving = "method = \"halving\"\n[values]\nrate = [0.1, 0.2]\n[halving]\n";
    for (sweep, parts) in [
        ("", &["sweep.toml: nothing is varied", "[values]"][..]),
        ("values = ", &["line 3"]),
        ("[value]\nrate = [0.1]", &["unknown field `value`"]),
        ("method = \"gird\"\n[values]\nrate = [0.1]", &["unknown variant `gird`", "grid"]),
        ("[values]\nrate = []", &["rate is an empty list"]),
        ("[values]\nrate = 0.1", &["rate is 0.1, but must be a list", "[0.1]"]),
        ("[values]\nrate = [0.1, 0.1]", &["rate has 0.1 twice"]),
        ("[values]\nrat = [0.1]", &["trial 1 (rat = 0.1)", "unknown field `rat`"]),
        (
            "[values]\n\"optimizer.momentun\" = [0.9]",
            &["optimizer.momentun = 0.9", "unknown field `momentun`"],
        ),
        ("[values]\n\"rate.high\" = [0.1]", &["rate has no values below it"]),
        ("[values]\nrate = [0.1, -1.0]", &["trial 2 (rate = -1.0)", "must be from 0 to 100"]),
        ("[values]\nrate = [\"fast\"]", &["trial 1", "invalid type: string"]),
        ("[values]\nname = [\"a\", \"b\"]", &["name cannot be varied"]),
        ("[ranges]\nrate = { low = 0.1, high = 0.2 }", &["ranges are for method"]),
        ("method = \"random\"\n[values]\nrate = [0.1]", &["needs trials"]),
        ("trials = 2\n[values]\nrate = [0.1]", &["trials is for method"]),
        ("seeds = 0\n[values]\nrate = [0.1]", &["seeds is 0"]),
        (
            "[values]\nlearn_validation = [false, true]",
            &["learn_validation leaves no validation images"],
        ),
        ("images = 221\n[values]\nrate = [0.1]", &["images is 221, but only 220"]),
    ] {
        refused(sweep, &[], parts);
    }
    for (entry, parts) in [
        ("[ranges]\nrate = { low = 0.2, high = 0.1 }", &["low must be below high"][..]),
        ("[ranges]\nrate = { low = 0, high = 1, scale = \"log\" }", &["must be above 0"]),
        ("[ranges]\nrate = { low = 0.1 }", &["rate: missing field `high`", "like { low"]),
        ("[ranges]\nrate = 0.1", &["rate is 0.1, but must be like { low"]),
        ("[ranges]\nbatch = { low = 1.5, high = 8 }", &["only whole numbers fit"]),
        ("[values]\nrate = [0.1]", &["only 1 different combinations"]),
        (
            "[values]\nrate = [0.1]\n[ranges]\nrate = { low = 0.1, high = 1 }",
            &["rate is in both values and ranges"],
        ),
    ] {
        refused(&format!("{random}{entry}"), &[], parts);
    }
    refused(&format!("{halving}first_epochs = 4"), &[], &["first_epochs is 4", "epochs, 4"]);
    refused(&format!("{halving}factor = 1\nfirst_epochs = 1"), &[], &["factor is 1"]);
    let epochs = "method = \"halving\"\n[values]\nepochs = [2, 3]";
    refused(epochs, &[], &["epochs cannot be varied"]);

    let good = "[values]\nrate = [0.1]";
    refused(good, &["--ort-lib", "/lib.so"], &["--ort-lib /lib.so", "--backend tract"]);
    let recipe = bench.folder.join("recipe.toml");
    fs::write(&recipe, "epochs = 3").expect("a test can write");
    refused(good, &[], &["sweep.toml: recipe: ", "recipe.toml: line 1: missing field"]);
    fs::remove_file(recipe).expect("a test can remove");
    refused(good, &[], &["recipe.toml: cannot be read"]);
    let output = Command::new(&bench.program).args(["sweep", "/no/sweep.toml"]).output();
    let error = String::from_utf8_lossy(&output.expect("it starts").stderr).into_owned();
    assert!(error.contains("/no/sweep.toml: cannot be read") && error.lines().count() == 1);
}
