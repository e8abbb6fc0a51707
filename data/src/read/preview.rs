//! Sheets of small pictures.

use image::{GrayImage, imageops};

use crate::prepare::Plane;

/// Pixels between the pictures of a sheet, and their grey.
const GAP: usize = 2;
const GAP_GREY: u8 = 96;

/// Puts rows of pictures into a grid with cells of `height × width`.
pub fn sheet(rows: &[Vec<Plane>], [height, width]: [usize; 2]) -> GrayImage {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let size = |cells: usize, side: usize| (cells * (side + GAP) + GAP) as u32;
    let grey = image::Luma([GAP_GREY]);
    let mut sheet =
        GrayImage::from_pixel(size(columns, width), size(rows.len().max(1), height), grey);
    for (row, pictures) in rows.iter().enumerate() {
        for (column, picture) in pictures.iter().enumerate() {
            let (top, left) = (size(row, height), size(column, width));
            imageops::replace(&mut sheet, &picture.picture(), left.into(), top.into());
        }
    }
    sheet
}

/// A row per class: pictures as they were found, each with the image it became at its right.
pub fn before_and_after(previews: &[Vec<(Plane, Vec<u8>)>], size: usize) -> GrayImage {
    let cell = 2 * size;
    let pair = |(found, became): &(Plane, Vec<u8>)| {
        [found.padded(cell), Plane::from_bytes(size, size, became).enlarged(2)]
    };
    let rows: Vec<Vec<Plane>> =
        previews.iter().map(|pictures| pictures.iter().flat_map(pair).collect()).collect();
    sheet(&rows, [cell, cell])
}

impl Plane {
    /// The plane with its longer side scaled to `side`.
    pub fn resample_to(&self, side: usize) -> Plane {
        let longer = self.height.max(self.width);
        let scaled = |own: usize| ((own * side + longer / 2) / longer).max(1);
        self.resample(scaled(self.height), scaled(self.width))
    }

    /// The plane in the middle of a grey square.
    pub fn padded(&self, side: usize) -> Plane {
        let mut square = Plane::new(side, side);
        square.pixels.fill(GAP_GREY.into());
        let [top, left] = [(side - self.height) / 2, (side - self.width) / 2];
        for row in 0..self.height {
            for column in 0..self.width {
                square.pixels[(top + row) * side + left + column] = self.at(row, column);
            }
        }
        square
    }

    /// Every pixel as a square of `times × times`.
    pub fn enlarged(&self, times: usize) -> Plane {
        let mut large = Plane::new(self.height * times, self.width * times);
        for row in 0..large.height {
            for column in 0..large.width {
                large.pixels[row * large.width + column] = self.at(row / times, column / times);
            }
        }
        large
    }
}
