//! Few samples per class and no option: what the trainer chooses by looking at them is good enough.
//!
//! `tools/small-data` compares more of them with scikit-learn.

use std::fs;
use std::path::Path;
use std::process::Command;

use image::{GrayImage, Luma};
use inkling_data::Dataset;
use inkling_data::read::{self, Options};
use tests::{program, scratch};

const WRITERS: usize = 4;
const SIZE: [u32; 2] = [84, 28];

/// The points of a writer's stroke, from left to right.
fn habit(rng: &mut fastrand::Rng) -> Vec<[f32; 2]> {
    (0..7).map(|at| [12.0 + 10.0 * at as f32, 5.0 + 18.0 * rng.f32()]).collect()
}

/// A signature: every point moves, and the whole with them; dark ink on light paper with noise.
fn signature(points: &[[f32; 2]], rng: &mut fastrand::Rng) -> GrayImage {
    let mut jitter = |by: f32| by * (2.0 * rng.f32() - 1.0);
    let (along, down) = (jitter(5.0), jitter(2.5));
    let points: Vec<[f32; 2]> =
        points.iter().map(|[x, y]| [x + along + jitter(1.5), y + down + jitter(2.0)]).collect();
    let distance = |x: f32, y: f32| {
        let to_line = |pair: &[[f32; 2]]| {
            let [[ax, ay], [bx, by]] = [pair[0], pair[1]];
            let (dx, dy) = (bx - ax, by - ay);
            let part = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
            (x - ax - part * dx).hypot(y - ay - part * dy)
        };
        points.windows(2).map(to_line).fold(f32::INFINITY, f32::min)
    };
    let paper = 215 + rng.u8(0..25);
    GrayImage::from_fn(SIZE[0], SIZE[1], |x, y| {
        let ink = (1.8 - distance(x as f32, y as f32)).clamp(0.0, 1.0);
        let level = f32::from(paper) * (1.0 - 0.8 * ink);
        Luma([(level as u8).saturating_add(rng.u8(0..10))])
    })
}

fn signatures(folder: &Path, count: usize, seed: u64) {
    let mut hands = fastrand::Rng::with_seed(1);
    let mut rng = fastrand::Rng::with_seed(seed);
    for writer in 0..WRITERS {
        let points = habit(&mut hands);
        let folder = folder.join(format!("writer-{writer}"));
        fs::create_dir_all(&folder).expect("a test can make folders");
        for number in 0..count {
            let file = folder.join(format!("{number:02}.png"));
            signature(&points, &mut rng).save(file).expect("a test can write");
        }
    }
}

/// Right answers of the nearest training image, by the sum of squared differences.
fn by_nearest(train: &Dataset, test: &Dataset) -> usize {
    let far = |a: &[u8], b: &[u8]| -> u64 {
        a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum()
    };
    let answer = |image: &[u8]| {
        let nearest = (0..train.len()).min_by_key(|&at| far(train.image(at), image));
        train.labels[nearest.expect("there are some")]
    };
    (0..test.len()).filter(|&at| answer(test.image(at)) == test.labels[at]).count()
}

#[test]
fn five_signatures_of_each_writer_are_enough() {
    let folder = scratch("few-samples");
    signatures(&folder.join("data/train"), 5, 2);
    signatures(&folder.join("data/test"), 40, 3);
    let output = Command::new(program("trainer"))
        .args(["--data", "data", "--out", "model", "--threads", "1", "--backend", "tract"])
        .current_dir(&folder)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for part in ["the usual network is drawing: dark strokes", "shifted by up to", "are few: "] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let line = said.lines().find(|line| line.starts_with("int8 accuracy")).expect("a summary");
    let percent = line.split_whitespace().nth(2).expect("a number");
    let ours: f64 = percent.parse().expect("a number");
    let data = read::open(&folder.join("data"), &Options::default()).expect("is read");
    let nearest = 100.0 * by_nearest(&data.train, &data.test) as f64 / data.test.len() as f64;
    println!("trainer {ours} %, nearest neighbour {nearest} %");
    assert!(ours >= 95.0 && ours >= nearest - 2.0, "{ours} %, nearest neighbour {nearest} %");
    let _ = fs::remove_dir_all(folder);
}
