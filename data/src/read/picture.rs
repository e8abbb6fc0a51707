//! Reads picture files: PNG, JPEG and BMP, grey or colour, with transparency and orientation.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::prepare::Plane;

/// The largest side of a picture file, in pixels.
const MOST_SIDE: u32 = 16_384;

/// Pictures are brought down to this side before anything else; it is far above what the smallest
/// stroke needs.
const WORKING_SIDE: usize = 640;

/// A picture read from a file.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Height and width in the file, after its orientation.
    pub size: [usize; 2],
    pub colour: bool,
    /// Grey, its longer side at most 640 pixels.
    pub plane: Plane,
}

/// Reads a picture; its contents decide the format, not its name.
///
/// # Errors
///
/// One line that says what is wrong, without the path.
pub fn read(path: &Path) -> Result<Picture, String> {
    let mut head = [0; 16];
    let mut file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    if path.is_dir() {
        return Err("is a folder, not a picture".into());
    }
    let count = file.read(&mut head).map_err(|error| format!("cannot be read: {error}"))?;
    let format = match image::guess_format(&head[..count]) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Bmp)) => format,
        _ if count == 0 => return Err("is empty: 0 bytes".into()),
        Ok(other) => return Err(format!("is {other:?}; save it as PNG, JPEG or BMP")),
        Err(_) => return Err("is no picture; PNG, JPEG and BMP are read".into()),
    };
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    decode(BufReader::new(file), format).map_err(|error| match error {
        image::ImageError::Limits(_) => format!("is larger than {MOST_SIDE}×{MOST_SIDE} pixels"),
        error => {
            format!("is damaged: {}", error.to_string().lines().collect::<Vec<_>>().join(" "))
        }
    })
}

fn decode(file: BufReader<File>, format: ImageFormat) -> image::ImageResult<Picture> {
    let mut reader = ImageReader::with_format(file, format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    limits.max_alloc = Some(1 << 31);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    let colour = picture.color().has_color();
    let plane = grey(picture);
    let size = [plane.height, plane.width];
    let longer = plane.height.max(plane.width);
    let plane = if longer > WORKING_SIDE {
        let side = |side: usize| (side * WORKING_SIDE).div_ceil(longer).max(1);
        plane.resample(side(plane.height), side(plane.width))
    } else {
        plane
    };
    Ok(Picture { size, colour, plane })
}

/// Luma; what is transparent becomes white under dark ink and black under light ink.
fn grey(picture: DynamicImage) -> Plane {
    let [height, width] = [picture.height() as usize, picture.width() as usize];
    if !picture.color().has_alpha() {
        return Plane::from_bytes(height, width, picture.into_luma8().as_raw());
    }
    let pixels = picture.into_luma_alpha8();
    let (mut weight, mut sum) = (0.0, 0.0);
    for pixel in pixels.pixels() {
        weight += f64::from(pixel.0[1]);
        sum += f64::from(pixel.0[0]) * f64::from(pixel.0[1]);
    }
    let ground = if sum < 127.5 * weight { 255.0 } else { 0.0 };
    let blend = |pixel: &image::LumaA<u8>| {
        let opacity = f32::from(pixel.0[1]) / 255.0;
        f32::from(pixel.0[0]) * opacity + ground * (1.0 - opacity)
    };
    Plane { height, width, pixels: pixels.pixels().map(blend).collect() }
}
