//! What people read: HTML pages that need nothing beside themselves, pictures and plots in them,
//! and pictures made of letters for a terminal.

mod page;
mod plot;
mod refusal;

use std::io::Cursor;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::{DynamicImage, ImageFormat, RgbImage};

pub use page::{Page, escape};
pub use plot::{Bar, Point, bars, bounds, heat_table, lines, reliability, scatter};
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

/// A share in percent.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}
