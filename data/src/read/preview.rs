//! Sheets of small pictures.

use image::{Rgb, RgbImage, imageops};

use crate::prepare::{Picture, Plane};

/// Pixels between the pictures of a sheet, and their grey.
const GAP: usize = 2;
const GAP_GREY: u8 = 96;

/// Pictures of each class on the sheet of what was found.
pub const PREVIEWS: usize = 8;

/// A small picture, in colour or grey.
#[derive(Clone, Debug)]
pub struct Tile(RgbImage);

impl From<Plane> for Tile {
    fn from(plane: Plane) -> Self {
        Self::new([plane.height, plane.width, 1], &plane.pixels)
    }
}

impl Tile {
    /// A sample `[height][width][channels]`: three channels or four are colours, of others the first
    /// is shown in grey.
    pub fn new([height, width, channels]: [usize; 3], sample: &[u8]) -> Self {
        let colour = |pixel: &[u8]| match *pixel {
            [red, green, blue] | [red, green, blue, _] => [red, green, blue],
            [first, ..] => [first; 3],
            [] => [0; 3],
        };
        let bytes = sample.chunks_exact(channels).flat_map(colour).collect();
        let picture = RgbImage::from_raw(width as u32, height as u32, bytes);
        Self(picture.unwrap_or_else(|| RgbImage::new(1, 1)))
    }

    /// A picture with its longer side scaled to `side`.
    pub fn of_picture(picture: &Picture, side: usize) -> Self {
        let grey = picture.grey.resample_to(side);
        let Some(colours) = &picture.colours else { return grey.into() };
        let planes = colours.each_ref().map(|plane| plane.resample_to(side).pixels);
        let bytes: Vec<u8> =
            (0..planes[0].len()).flat_map(|at| [0, 1, 2].map(|c: usize| planes[c][at])).collect();
        Self::new([grey.height, grey.width, 3], &bytes)
    }

    /// Every pixel as a square of `times × times`.
    pub fn enlarged(&self, times: usize) -> Self {
        let [width, height] = [self.0.width(), self.0.height()].map(|side| side * times as u32);
        Self(imageops::resize(&self.0, width, height, imageops::FilterType::Nearest))
    }

    /// In the middle of a square of the gaps' grey.
    fn padded(&self, side: usize) -> Self {
        let mut square = RgbImage::from_pixel(side as u32, side as u32, Rgb([GAP_GREY; 3]));
        let start = |own: u32| (side as i64 - i64::from(own)) / 2;
        imageops::replace(&mut square, &self.0, start(self.0.width()), start(self.0.height()));
        Self(square)
    }
}

impl Tile {
    /// As the `image` crate has it.
    pub fn picture(self) -> RgbImage {
        self.0
    }
}

impl Plane {
    /// As the `image` crate has it.
    pub fn picture(&self) -> RgbImage {
        Tile::from(self.clone()).picture()
    }
}

/// Puts rows of pictures into a grid with cells of `height × width`.
pub fn sheet<T: Into<Tile>>(rows: Vec<Vec<T>>, [height, width]: [usize; 2]) -> RgbImage {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let size = |cells: usize, side: usize| (cells * (side + GAP) + GAP) as u32;
    let grey = Rgb([GAP_GREY; 3]);
    let mut sheet =
        RgbImage::from_pixel(size(columns, width), size(rows.len().max(1), height), grey);
    for (row, pictures) in rows.into_iter().enumerate() {
        for (column, picture) in pictures.into_iter().enumerate() {
            let (top, left) = (size(row, height), size(column, width));
            imageops::replace(&mut sheet, &picture.into().0, left.into(), top.into());
        }
    }
    sheet
}

/// A row per class: pictures as they were found, each with the image it became at its right.
pub fn before_and_after(previews: &[Vec<(Tile, Tile)>], size: [usize; 2]) -> RgbImage {
    let cell = 2 * size[0].max(size[1]);
    let pair =
        |(found, became): &(Tile, Tile)| [found.padded(cell), became.enlarged(2).padded(cell)];
    let rows: Vec<Vec<Tile>> =
        previews.iter().map(|pictures| pictures.iter().flat_map(pair).collect()).collect();
    sheet(rows, [cell, cell])
}
