//! Reads picture files: PNG, JPEG, BMP, GIF and WebP, grey or colour, 8 or 16 bits, with
//! transparency and orientation.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageBuffer, ImageDecoder, ImageFormat, ImageReader, Pixel};

use super::tree;
use crate::prepare::{Picture, Plane};

/// What a picture may take once decoded, in bytes: 64 million pixels in colour.
const MOST_BYTES: u64 = 192 << 20;

/// Pictures are brought down to this side before anything else, the longest that a device prepares.
const WORKING_SIDE: usize = firmware_core::prepare::MAX_SIDE;

/// What is read, in words.
const FORMATS: &str = "PNG, JPEG, BMP, GIF and WebP are read";

/// Endings of pictures' names.
const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "bmp", "gif", "webp"];

/// Whether a file is a picture by its name.
pub fn is_picture(file: &Path) -> bool {
    let end = file.extension().unwrap_or_default();
    ENDINGS.iter().any(|known| end.eq_ignore_ascii_case(known))
}

/// Reads a picture; its contents decide the format, not its name.
///
/// # Errors
///
/// One line that says what is wrong, without the path.
pub fn read(path: &Path) -> Result<Picture, String> {
    if path.is_dir() {
        return Err("is a folder, not a picture".into());
    }
    decode(&tree::contents(path)?)
}

/// Reads a picture from the contents of its file.
///
/// # Errors
///
/// One line that says what is wrong.
pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let format = match image::guess_format(bytes) {
        Ok(
            format @ (ImageFormat::Png
            | ImageFormat::Jpeg
            | ImageFormat::Bmp
            | ImageFormat::Gif
            | ImageFormat::WebP),
        ) => format,
        _ if bytes.is_empty() => return Err("is empty: 0 bytes".into()),
        Ok(other) => return Err(format!("is {other:?}; {FORMATS}")),
        Err(_) => return Err(format!("is no picture; {FORMATS}")),
    };
    if format == ImageFormat::Jpeg && !jpeg_is_whole(bytes) {
        return Err("is damaged: the file ends before the picture does".into());
    }
    let damaged = |error: image::ImageError| {
        format!("is damaged: {}", error.to_string().lines().collect::<Vec<_>>().join(" "))
    };
    let reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if decoder.total_bytes() > MOST_BYTES {
        return Err(format!(
            "has {width}×{height} pixels, {} MB; pictures up to {} MB are read",
            decoder.total_bytes() >> 20,
            MOST_BYTES >> 20
        ));
    }
    if width == 0 || height == 0 {
        return Err(format!("is damaged: it has {width}×{height} pixels"));
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(orientation);
    Ok(planes(&picture))
}

/// Whether a JPEG file has an end: decoders fill what is missing with grey and say nothing.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    const RESTARTS: std::ops::RangeInclusive<u8> = 0xd0..=0xd7;
    let mut at = 2;
    // Segment by segment, so that a thumbnail's end inside of one is not taken for the picture's.
    while let Some(&[first, marker]) = bytes.get(at..at + 2).and_then(|pair| pair.first_chunk()) {
        match (first, marker) {
            (0xff, 0xd9) => return true,
            (0xff, 0xff) => at += 1,
            (0xff, 0x00 | 0x01) => at += 2,
            (0xff, marker) if RESTARTS.contains(&marker) => at += 2,
            (0xff, _) => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => at += 2 + usize::from(u16::from_be_bytes([high, low])).max(2),
                _ => return false,
            },
            // The pixels' bits, in which 0xff is followed by 0x00.
            _ => at += 1,
        }
    }
    false
}

/// What is transparent becomes white under dark ink and black under light ink.
fn planes(picture: &DynamicImage) -> Picture {
    let size = [picture.height() as usize, picture.width() as usize];
    let longer = size[0].max(size[1]);
    let target = match longer > WORKING_SIDE {
        true => size.map(|side| (side * WORKING_SIDE).div_ceil(longer).max(1)),
        false => size,
    };
    let (colour, alpha) = (picture.color().has_color(), picture.color().has_alpha());
    let wide = matches!(
        picture,
        DynamicImage::ImageLuma16(_)
            | DynamicImage::ImageLumaA16(_)
            | DynamicImage::ImageRgb16(_)
            | DynamicImage::ImageRgba16(_)
    );
    let channels = |each: &dyn Fn(usize) -> Plane| match colour {
        true => Picture::in_colour(size, [0, 1, 2].map(each)),
        false => Picture { size, ..Picture::grey(each(0)) },
    };
    match (wide, alpha, colour) {
        (false, false, false) => {
            let pixels = picture.to_luma8();
            channels(&|at| plane(&pixels, at, |level| level[0], target))
        }
        (false, false, true) => {
            let pixels = picture.to_rgb8();
            channels(&|at| plane(&pixels, at, |level| level[0], target))
        }
        (true, false, false) => {
            let pixels = picture.to_luma16();
            channels(&|at| plane(&pixels, at, |level| high(level[0]), target))
        }
        (true, false, true) => {
            let pixels = picture.to_rgb16();
            channels(&|at| plane(&pixels, at, |level| high(level[0]), target))
        }
        (_, true, false) => {
            let pixels = picture.to_luma_alpha8();
            let ground = ground(&pixels);
            channels(&|at| plane(&pixels, at, |pixel| over(ground, pixel[0], pixel[1]), target))
        }
        (_, true, true) => {
            let pixels = picture.to_rgba8();
            let ground = ground(&picture.to_luma_alpha8());
            let blended = |pixel: &[u8]| over(ground, pixel[0], pixel[pixel.len() - 1]);
            channels(&|at| plane(&pixels, at, blended, target))
        }
    }
}

/// A level of 16 bits as one of 8, rounded.
fn high(level: u16) -> u8 {
    ((u32::from(level) + 128) / 257) as u8
}

/// A level over a ground, by its opacity, rounded.
fn over(ground: u8, level: u8, opacity: u8) -> u8 {
    let [ground, level, opacity] = [ground, level, opacity].map(u32::from);
    ((level * opacity + ground * (255 - opacity) + 127) / 255) as u8
}

/// One channel in the size `target`. `level` makes a byte of a pixel's values from that channel on.
fn plane<P: Pixel>(
    buffer: &ImageBuffer<P, Vec<P::Subpixel>>,
    channel: usize,
    level: impl Fn(&[P::Subpixel]) -> u8,
    target: [usize; 2],
) -> Plane {
    let [rows, columns] = [buffer.height() as usize, buffer.width() as usize];
    let count = usize::from(P::CHANNEL_COUNT);
    let line = |row: usize, out: &mut [u8]| {
        let pixels = &buffer.as_raw()[row * columns * count..(row + 1) * columns * count];
        let pixels = pixels.chunks_exact(count);
        out.iter_mut().zip(pixels).for_each(|(out, pixel)| *out = level(&pixel[channel..]));
    };
    Plane::resampled([rows, columns], line, target)
}

/// What lies behind a transparent picture: the opposite of what is opaque on it.
fn ground(luma: &ImageBuffer<image::LumaA<u8>, Vec<u8>>) -> u8 {
    let (mut weight, mut sum) = (0.0, 0.0);
    for pixel in luma.pixels() {
        weight += f64::from(pixel.0[1]);
        sum += f64::from(pixel.0[0]) * f64::from(pixel.0[1]);
    }
    if sum < 127.5 * weight { 255 } else { 0 }
}
