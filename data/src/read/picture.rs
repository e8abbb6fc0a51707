//! Reads picture files: PNG, JPEG, BMP, GIF and WebP, grey or colour, 8 or 16 bits, with
//! transparency and orientation.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageBuffer, ImageDecoder, ImageFormat, ImageReader, Pixel};

use super::tree;
use crate::prepare::{Picture, Plane};

/// What a picture may take once decoded, in bytes: 64 million pixels in colour.
const MOST_BYTES: u64 = 192 << 20;

/// Pictures are brought down to this side before anything else; it is far above what the smallest
/// stroke needs.
const WORKING_SIDE: usize = 640;

/// What is read, in words.
const FORMATS: &str = "PNG, JPEG, BMP, GIF and WebP are read";

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
    let (grey, colours) = match (wide, alpha) {
        (false, false) => (
            plane(&picture.to_luma8(), 0, 1.0, target),
            colour.then(|| {
                let pixels = picture.to_rgb8();
                [0, 1, 2].map(|channel| plane(&pixels, channel, 1.0, target))
            }),
        ),
        (true, false) => (
            plane(&picture.to_luma16(), 0, 257.0, target),
            colour.then(|| {
                let pixels = picture.to_rgb16();
                [0, 1, 2].map(|channel| plane(&pixels, channel, 257.0, target))
            }),
        ),
        (_, true) => {
            let luma = picture.to_luma_alpha8();
            let ground = ground(&luma);
            let grey = blended(&luma, 0, ground, target);
            let colours = colour.then(|| {
                let pixels = picture.to_rgba8();
                [0, 1, 2].map(|channel| blended(&pixels, channel, ground, target))
            });
            (grey, colours)
        }
    };
    Picture { size, grey, colours: colours.map(Box::new) }
}

/// One channel in the size `target`, its levels divided by `divisor`.
fn plane<P: Pixel>(
    buffer: &ImageBuffer<P, Vec<P::Subpixel>>,
    channel: usize,
    divisor: f32,
    [height, width]: [usize; 2],
) -> Plane
where
    P::Subpixel: Into<f32>,
{
    let samples = buffer.as_raw();
    let [rows, columns] = [buffer.height() as usize, buffer.width() as usize];
    let count = usize::from(P::CHANNEL_COUNT);
    let level = |at: usize| samples[at * count + channel].into() / divisor;
    Plane::resampled([rows, columns], level, [height, width])
}

/// One channel over the ground, by its opacity.
fn blended<P: Pixel<Subpixel = u8>>(
    buffer: &ImageBuffer<P, Vec<u8>>,
    channel: usize,
    ground: f32,
    target: [usize; 2],
) -> Plane {
    let samples = buffer.as_raw();
    let count = usize::from(P::CHANNEL_COUNT);
    let level = |at: usize| {
        let pixel = &samples[at * count..(at + 1) * count];
        let opacity = f32::from(pixel[count - 1]) / 255.0;
        f32::from(pixel[channel]) * opacity + ground * (1.0 - opacity)
    };
    Plane::resampled([buffer.height() as usize, buffer.width() as usize], level, target)
}

/// What lies behind a transparent picture: the opposite of what is opaque on it.
fn ground(luma: &ImageBuffer<image::LumaA<u8>, Vec<u8>>) -> f32 {
    let (mut weight, mut sum) = (0.0, 0.0);
    for pixel in luma.pixels() {
        weight += f64::from(pixel.0[1]);
        sum += f64::from(pixel.0[0]) * f64::from(pixel.0[1]);
    }
    if sum < 127.5 * weight { 255.0 } else { 0.0 }
}
