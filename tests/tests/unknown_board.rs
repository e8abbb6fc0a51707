//! "None of these" on a board: the demonstration says it, and a verification holds it against the rule.

use converter::Converter;
use converter::record::{ModelRecord, Rule, UNKNOWN, UnknownRecord};
use converter::verify::{self, VerifyArgs};
use inkling_data::Split;
use inkling_data::read::idx;
use tests::mcu::{MICROBIT, Program, Toolchain, boot};
use tests::structures::{CLASSES, SIDE, Structure, network};
use tests::{random_images, scratch};

const IMAGES: usize = 60;

#[test]
fn a_board_refuses_what_the_rule_refuses() {
    let images = random_images(5, IMAGES, SIDE, SIDE, CLASSES);
    let onnx = network(Structure::Dense, 3, 17);
    let plain = Converter::new("refuses", &onnx).convert(&images).expect("it converts");
    // A threshold in the middle of the images' margins, so that about half of them are refused.
    let reference =
        |index: usize| converter::reference::logits(&plain.network, images.image(index));
    let logits: Vec<Vec<i32>> = (0..IMAGES).map(reference).collect();
    let margin = |logits: &Vec<i32>| {
        let mut sorted = logits.clone();
        sorted.sort_unstable();
        sorted[sorted.len() - 1] - sorted[sorted.len() - 2]
    };
    let mut margins: Vec<i32> = logits.iter().map(margin).collect();
    let refused = |threshold: i32| logits.iter().filter(|row| margin(row) < threshold).count();
    margins.sort_unstable();
    let threshold = margins[IMAGES / 2];
    let mut record = ModelRecord::new("refuses");
    record.unknown = Some(UnknownRecord {
        rule: Rule::Margin,
        class: None,
        refused: None,
        strange_refused: None,
        area: None,
        other: Default::default(),
    });
    let exponent = plain.network.format(plain.network.layers.len()).exponent();
    let real = f64::from(threshold) * 2_f64.powi(-exponent);
    record.thresholds.insert(UNKNOWN.into(), real);
    let conversion =
        Converter::new("refuses", &onnx).record(record).convert(&images).expect("it converts");

    let Some(toolchain) = Toolchain::or_skip("\"none of these\" on a Cortex-M0") else { return };
    let folder = scratch("unknown-on-a-board");
    conversion.write(&folder, &images, "").expect("the scratch folder takes it");
    idx::write_pair(&folder, Split::Test, &images).expect("the scratch folder takes it");
    let elf = MICROBIT
        .try_build(&toolchain, Program::Demo, Some(("second-model", &folder)))
        .unwrap_or_else(|error| panic!("{error}"));
    let emulator = MICROBIT.start(&elf, &[]);
    let text = boot(&emulator);
    let golden = text.matches(", none of these, logits ").count();
    assert!(text.ends_with("self-test passed\r\n") && (1..20).contains(&golden), "{text}");
    assert_eq!(golden + text.matches(", class ").count(), 20, "{text}");
    let arguments = VerifyArgs {
        port: None,
        qemu: None,
        data: Some(folder.clone()),
        model: folder.clone(),
        images: None,
        baud: 115_200,
        timeout: 60.0,
    };
    let result = verify::run_on(&emulator, &arguments).expect("every answer is the rule's");
    assert_eq!((result.images, result.mismatches), (IMAGES, 0));
    assert_eq!(result.refused, Some(refused(threshold)));
    let report = result.report();
    let line = format!("refused     {} of {IMAGES}: none of these", refused(threshold));
    assert!(report.contains(&line), "{report}");
    let _ = std::fs::remove_dir_all(&folder);
}
