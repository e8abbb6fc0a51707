//! Every kind of file on which readers go wrong ends as it should: read right and proven, or
//! refused in one line.

use std::fs;
use std::time::{Duration, Instant};

use converter::onnx::Attribute;
use converter::passes::PixelScale;
use converter::pb;
use converter::prove::{Proof, Reading, off_from_nodes};
use converter::{Converter, evaluate, read};
use inkling_data::Dataset;
use inkling_data::read::labels;
use tests::kinds::{self, CLASSES, Expected, Kind, Net, SIDE};
use tests::{random_images, scratch};

/// Far more than any kind takes, on however busy a machine: nothing hangs.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn every_kind_is_read_right_or_refused() {
    let mut wrong = Vec::new();
    for Kind { name, onnx, size: [height, width], expected } in kinds::all() {
        let started = Instant::now();
        let images = random_images(3, 24, height, width, CLASSES);
        let conversion = Converter::new("net", &onnx).convert(&images);
        let outcome = match (expected, conversion) {
            (Expected::Refused(parts), Err(error)) => {
                let line = error.to_string();
                let missing: Vec<_> = parts.iter().filter(|part| !line.contains(**part)).collect();
                match missing.is_empty() && line.lines().count() == 1 {
                    true => Ok(()),
                    false => Err(format!("{missing:?} is missing in {line:?}")),
                }
            }
            (Expected::Refused(_), Ok(_)) => Err("is converted".into()),
            (_, Err(error)) => Err(format!("is refused: {error}")),
            (expected, Ok(conversion)) => match Proof::of(&conversion, &images, &images) {
                Err(error) => Err(error.to_string()),
                Ok(Proof { reading: Reading::Tract(error), .. }) => {
                    match matches!(expected, Expected::Converts) && error < 1e-4 {
                        true => Ok(()),
                        false => Err(format!("is off by {error} from tract")),
                    }
                }
                Ok(proof) => match (expected, proof.reading.note()) {
                    (Expected::ConvertsByItsNodes, Some(_)) => Ok(()),
                    (_, note) => Err(format!("{note:?}")),
                },
            },
        };
        if let Err(what) = outcome {
            wrong.push(format!("{name}: {what}"));
        }
        assert!(started.elapsed() < PATIENCE, "{name} takes {:?}", started.elapsed());
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A time series has its sensors as channels, whichever dimension they are and whatever brings them in front of
/// a convolution.
#[test]
fn a_series_is_read_whatever_turns_it() {
    const TIMES: usize = 24;
    let perm = |perm: &[i64]| [("perm", Attribute::Ints(perm.to_vec()))];
    let forms: [(&str, [usize; 2]); 5] = [
        ("transposed", [TIMES, 3]),
        ("unsqueezed, transposed", [TIMES, 3]),
        ("reshaped, transposed", [TIMES, 3]),
        ("unsqueezed", [3, TIMES]),
        ("unsqueezed at the end", [3, TIMES]),
    ];
    let samples = (0..20 * TIMES * 3).map(|at| (at * 37 % 251) as u8).collect();
    let names = labels::numbers(CLASSES);
    let series = Dataset::new([1, TIMES, 3], samples, vec![0; 20], names);
    for (form, dims) in forms {
        let mut net = Net::new(17);
        let x = net.input(&dims);
        let mut kernel = vec![5, 3, 1, 3];
        let x = match form {
            "transposed" => {
                kernel = vec![5, 3, 3];
                net.node("Transpose", &[&x], &perm(&[0, 2, 1]))
            }
            "unsqueezed, transposed" => {
                let axes = net.shape(&[1]);
                let x = net.node("Unsqueeze", &[&x, &axes], &[]);
                net.node("Transpose", &[&x], &perm(&[0, 3, 1, 2]))
            }
            "reshaped, transposed" => {
                let shape = net.shape(&[-1, 1, TIMES as i64, 3]);
                let x = net.node("Reshape", &[&x, &shape], &[]);
                net.node("Transpose", &[&x], &perm(&[0, 3, 1, 2]))
            }
            "unsqueezed" => {
                let axes = net.shape(&[2]);
                net.node("Unsqueeze", &[&x, &axes], &[])
            }
            _ => {
                kernel = vec![5, 3, 3, 1];
                let axes = net.shape(&[-1]);
                net.node("Unsqueeze", &[&x, &axes], &[])
            }
        };
        let w = net.weights(&kernel);
        let x = net.node("Conv", &[&x, &w], &[]);
        let y = net.classified(&x, 5 * (TIMES - 2));
        let onnx = net.finish(&y);
        let shape = match form {
            "unsqueezed at the end" => [TIMES, 1, 3],
            _ => [1, TIMES, 3],
        };
        let series = Dataset::new(
            shape,
            series.batch(0..series.len()),
            series.labels.clone(),
            series.names.clone(),
        );
        let conversion = Converter::new("series", &onnx).convert(&series);
        let conversion = conversion.unwrap_or_else(|error| panic!("{form}: {error}"));
        let proof = Proof::of(&conversion, &series, &series);
        let proof = proof.unwrap_or_else(|error| panic!("{form}: {error}"));
        assert!(matches!(proof.reading, Reading::Tract(_)), "{form}");
    }
}

/// The interpreter computes every kind as tract does, of which it is the second opinion.
#[test]
fn the_files_own_nodes_say_the_same() {
    let kinds = kinds::all().into_iter();
    for Kind { name, onnx, size: [height, width], .. } in
        kinds.filter(|kind| !matches!(kind.expected, Expected::Refused(_)))
    {
        let images = random_images(8, 8, height, width, CLASSES);
        let conversion = Converter::new("net", &onnx).convert(&images).expect("is converted");
        let off = off_from_nodes(&conversion.float, &onnx, &conversion.pixels, &images);
        assert!(off.as_ref().is_ok_and(|off| *off < 1e-4), "{name}: {off:?}");
    }
}

/// Weights in a file beside the model are read, from nowhere else, and only whole.
#[test]
fn external_data_is_read_from_the_models_own_folder() {
    let folder = scratch("external");
    let inside = kinds::plain();
    let mut data = vec![0xa5; 16];
    let outside = |location: &str, data: &mut Vec<u8>, extra: u64| {
        kinds::edited(&inside, |model| {
            let graph = model.graph.as_mut().expect("has a graph");
            for tensor in &mut graph.initializer {
                let entry = |key: &str, value: String| pb::StringStringEntryProto {
                    key: key.into(),
                    value,
                };
                tensor.external_data = vec![
                    entry("location", location.into()),
                    entry("offset", data.len().to_string()),
                    entry("length", (tensor.raw_data.len() as u64 + extra).to_string()),
                ];
                data.append(&mut tensor.raw_data);
                tensor.data_location = 1;
            }
        })
    };
    let path = folder.join("model.onnx");
    let good = outside("model.onnx.data", &mut data, 0);
    fs::write(&path, &good).expect("is written");
    let missing = read::load(&path).expect_err("there is no data").to_string();
    assert!(missing.contains("model.onnx.data") && missing.contains("external_data=False"));

    fs::write(folder.join("model.onnx.data"), &data).expect("is written");
    let loaded = read::load(&path).expect("the data lies beside it");
    let lower = |onnx: &[u8]| Converter::new("net", onnx).lower().expect("is read").layers;
    assert_eq!(lower(&loaded), lower(&inside));
    let alone = Converter::new("net", &good).lower().err().expect("the bytes alone lack weights");
    assert!(alone.to_string().contains("external data"), "{alone}");

    fs::write(folder.join("model.onnx.data"), &data[..data.len() - 1]).expect("is written");
    let short = read::load(&path).expect_err("a byte is missing").to_string();
    assert!(short.contains("is the file whole"), "{short}");

    let elsewhere = scratch("external-elsewhere").join("data");
    fs::write(&elsewhere, &data).expect("is written");
    let absolute = elsewhere.display().to_string();
    for (location, extra, part) in [
        ("../data", 0, "not in the model's folder"),
        (absolute.as_str(), 0, "not in the model's folder"),
        ("", 0, "not in the model's folder"),
        ("model.onnx.data", 1, "its external data has"),
        ("model.onnx.data", u64::MAX / 2, "its external data has"),
    ] {
        fs::write(&path, outside(location, &mut Vec::new(), extra)).expect("is written");
        let error = read::load(&path).expect_err(location).to_string();
        assert!(error.contains(part), "{location:?}: {error}");
    }
    #[cfg(unix)]
    {
        let link = folder.join("link");
        std::os::unix::fs::symlink(&elsewhere, &link).expect("a link can be made");
        fs::write(&path, outside("link", &mut Vec::new(), 0)).expect("is written");
        let error = read::load(&path).expect_err("leads out").to_string();
        assert!(error.contains("leads out of the model's folder"), "{error}");
    }
}

/// The network that takes bytes and divides them itself is the one that takes `pixel / 255`.
#[test]
fn what_takes_integers_is_given_pixels_as_they_are() {
    let images = random_images(4, 8, SIDE, SIDE, CLASSES);
    let kind = |name: &str| kinds::all().into_iter().find(|kind| kind.name == name);
    let bytes = kind("uint8").expect("is a kind").onnx;
    let read = Converter::new("net", &bytes).lower().expect("is read");
    let plain = Converter::new("net", &kinds::plain()).lower().expect("is read");
    for index in 0..images.len() {
        let (a, b) = (
            evaluate::logits(&read, images.image(index)),
            evaluate::logits(&plain, images.image(index)),
        );
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-4), "{a:?} {b:?}");
    }
    let scaled = Converter::new("net", &bytes).pixel_scale(PixelScale::default()).lower();
    let error = scaled.err().expect("a scale for integers is refused").to_string();
    assert!(error.contains("takes integers"), "{error}");
    let rescaled = kind("rescaled_inside").expect("is a kind").onnx;
    let conversion = Converter::new("net", &rescaled).convert(&images).expect("is converted");
    assert_eq!(conversion.pixels, [PixelScale::raw()]);
    assert!(conversion.notes.iter().any(|note| note.contains("--pixel-divisor 255")));
}

/// A file that nothing can check is refused, and converted only when asked for.
#[test]
fn a_wrong_reading_is_noticed_by_either_runtime() {
    let images = random_images(5, 12, SIDE, SIDE, CLASSES);
    let mut conversion =
        Converter::new("net", &kinds::plain()).convert(&images).expect("is converted");
    let other = Converter::new("net", &kinds::plain())
        .pixel_scale(PixelScale { divisor: 200.0, ..PixelScale::default() })
        .convert(&images)
        .expect("is converted");
    // The layers of one, the pixels of the other: what a misread file is like.
    conversion.float = other.float;
    let error = Proof::of(&conversion, &images, &images).expect_err("is off").to_string();
    assert!(error.contains("is off by"), "{error}");
}

/// Recorded exponents that do not fit the weights are ignored with a word.
#[test]
fn exponents_of_other_weights_are_not_used() {
    let images = random_images(6, 24, SIDE, SIDE, CLASSES);
    let right = Converter::new("net", &kinds::plain()).convert(&images).expect("is converted");
    let first = &right.network.layers[0];
    let with = |exponent: i32| {
        let mut net = Net::new(17);
        net.model.metadata("activation_exponents", &format!("{}={exponent}", first.source_name));
        let x = net.input(&[1, SIDE, SIDE]);
        let y = net.rest(&x);
        net.finish(&y)
    };
    let best = first.format.exponent();
    for (given, taken) in [(best, best), (best - 1, best - 1), (best - 9, best), (-20, best)] {
        let conversion = Converter::new("net", &with(given)).convert(&images).expect("converts");
        assert_eq!(conversion.network.layers[0].format.exponent(), taken, "given {given}");
        assert_eq!(conversion.notes.is_empty(), given == taken, "{:?}", conversion.notes);
    }
}

/// Channels whose ranges differ by 10⁴ lose nothing: the integers are as near to the float
/// network as those of the even one.
#[test]
fn channels_of_wide_spread_keep_their_bits() {
    let images = random_images(7, 60, SIDE, SIDE, CLASSES);
    let spread = kinds::edited(&two_layers(), |model| {
        let graph = model.graph.as_mut().expect("has a graph");
        let scale = |tensor: &mut pb::TensorProto, channel: &dyn Fn(usize) -> f32| {
            let words = tensor.raw_data.chunks_exact(4).enumerate();
            let scaled = words.flat_map(|(at, word)| {
                let value = f32::from_le_bytes(word.try_into().expect("four bytes"));
                (value * channel(at)).to_le_bytes()
            });
            tensor.raw_data = scaled.collect();
        };
        let factor = |channel: usize| 2_f32.powi(4 * channel as i32 - 6);
        scale(&mut graph.initializer[0], &|at| factor(at / 9));
        scale(&mut graph.initializer[1], &factor);
        scale(&mut graph.initializer[2], &|at| 1.0 / factor(at / 9 % 4));
    });
    let error = |onnx: &[u8]| {
        let conversion = Converter::new("net", onnx).convert(&images).expect("is converted");
        Proof::of(&conversion, &images, &images).expect("is proven");
        let scale =
            2_f32.powi(-conversion.network.layers.last().expect("layers").format.exponent());
        let mut worst = 0_f32;
        for index in 0..images.len() {
            let float = evaluate::logits(&conversion.float, images.image(index));
            let int8 = converter::reference::logits(&conversion.network, images.image(index));
            let peak = float.iter().fold(0_f32, |peak, x| peak.max(x.abs()));
            for (a, b) in float.iter().zip(int8) {
                worst = worst.max((a - b as f32 * scale).abs() / peak);
            }
        }
        worst
    };
    let (even, spread) = (error(&two_layers()), error(&spread));
    assert!(spread < 1.5 * even + 0.01, "off by {spread}, the even network by {even}");
}

/// conv 1→4 · relu · pool · conv 4→3 · relu · fc
fn two_layers() -> Vec<u8> {
    let mut net = Net::new(17);
    let x = net.input(&[1, SIDE, SIDE]);
    let x = net.conv(&x, 1, 4);
    let x = net.pooled(&x);
    let x = net.conv(&x, 4, 3);
    let x = net.node("Relu", &[&x], &[]);
    let y = net.classified(&x, 3 * 36);
    net.finish(&y)
}
