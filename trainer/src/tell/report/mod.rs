//! What people read: HTML pages that need nothing beside themselves, pictures and plots in them,
//! and pictures made of letters for a terminal.

mod curves;
mod network;
mod page;
mod plot;
mod refusal;

use std::io::Cursor;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::{DynamicImage, ImageFormat, RgbImage};

pub use curves::{Axis, Chart, bounds, epochs};
pub use network::network;
pub use page::{Page, escape};
pub use plot::{Bar, Point, bars, heat_table, reliability, scatter};
pub use refusal::refusal;

/// From no ink to full ink.
const SHADES: &[u8] = b" .:-=+*#%@";

/// A PNG file, grey where the picture is.
pub fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let is_grey = picture.pixels().all(|pixel| pixel.0 == [pixel.0[0]; 3]);
    // Writing into memory cannot fail for a picture of a size that exists.
    let _ = match is_grey {
        true => {
            DynamicImage::from(picture.clone()).to_luma8().write_to(&mut bytes, ImageFormat::Png)
        }
        false => picture.write_to(&mut bytes, ImageFormat::Png),
    };
    bytes.into_inner()
}

/// A PNG file as a `data:` address.
pub fn data_uri(picture: &RgbImage) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png(picture)))
}

/// An image drawn with letters: two rows of pixels per line.
pub fn text_picture(pixels: &[u8], width: usize, indent: &str) -> String {
    let mut text = String::new();
    for rows in pixels.chunks(2 * width) {
        let letter = |column: usize| {
            let column = rows.iter().skip(column).step_by(width);
            let (sum, count) =
                column.fold((0, 0), |(sum, count), &pixel| (sum + usize::from(pixel), count + 1));
            char::from(SHADES[sum * (SHADES.len() - 1) / (255 * count).max(1)])
        };
        let line: String = (0..width).map(letter).collect();
        text.push_str(&format!("{indent}{}\n", line.trim_end()));
    }
    text
}

/// A share in percent with as few digits as it needs.
pub fn short_percent(share: f64) -> String {
    format!("{} %", short(100.0 * share))
}

/// A number with one digit that counts, or as a whole one: `20`, `0.5`, `0.002`.
pub fn short(number: f64) -> String {
    let digits = match number.abs() {
        0.0 => 0,
        small => (-small.log10() - 1e-9).ceil().clamp(0.0, 12.0) as usize,
    };
    format!("{number:.digits$}")
}

/// A share in percent.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::{short, short_percent};

    #[test]
    fn short_numbers_have_the_digits_that_they_need() {
        let found = [0.0, 0.002, 0.05, 0.1, 0.5, 1.0, 20.0].map(short);
        assert_eq!(found, ["0", "0.002", "0.05", "0.1", "0.5", "1", "20"]);
        assert_eq!([0.0001, 0.005, 0.2].map(short_percent), ["0.01 %", "0.5 %", "20 %"]);
    }
}
