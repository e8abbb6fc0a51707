//! Makes small data sets for the guide: coloured pictures, letters, and recordings of three sensors,
//! a folder per class in `train` and `test`.
//!
//! `cargo run -p trainer --example samples -- pictures|letters|recordings DIR`

mod chance;
mod letters;
mod pictures;
mod recordings;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use chance::Chance;

/// Samples of each class.
const COUNTS: [(&str, usize); 2] = [("train", 60), ("test", 25)];

const USAGE: &str = "usage: samples pictures|letters|recordings DIR";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (kind, folder) = (arguments.next().ok_or(USAGE)?, arguments.next().ok_or(USAGE)?);
    let folder = PathBuf::from(folder);
    let mut chance = Chance::new();
    match kind.to_str() {
        Some("pictures") => write(&folder, pictures::CLASSES, &mut |class, file| {
            Ok(pictures::picture(class, &mut chance).save(file.with_extension("png"))?)
        }),
        Some("letters") => write(&folder, letters::CLASSES, &mut |class, file| {
            Ok(letters::letter(class, &mut chance).save(file.with_extension("png"))?)
        }),
        Some("recordings") => write(&folder, recordings::CLASSES, &mut |class, file| {
            let text = recordings::recording(class, &mut chance);
            Ok(fs::write(file.with_extension("csv"), text)?)
        }),
        _ => Err(USAGE.into()),
    }
}

/// Lets `sample` write all files, whose names it gives an ending.
fn write(
    folder: &Path,
    classes: &[&str],
    sample: &mut dyn FnMut(&str, &Path) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    for (part, count) in COUNTS {
        for class in classes {
            let folder = folder.join(part).join(class);
            fs::create_dir_all(&folder)?;
            for number in 0..count {
                sample(class, &folder.join(format!("{number:03}")))?;
            }
        }
        println!("{part}: {count} samples of each of {}", classes.join(", "));
    }
    Ok(())
}
