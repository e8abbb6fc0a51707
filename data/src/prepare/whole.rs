//! A whole picture as an image, in grey or in colour.

use super::ground::{self, Polarity};
use super::picture::Picture;
use super::plane::Plane;
use super::preparation::{Preparation, Prepared, Step};

impl Preparation {
    /// Scales a picture into the field with its aspect kept; beside it, the field has the colour of
    /// the picture's border. Nothing is inverted unless the polarity says that ink is dark.
    pub(super) fn whole(&self, picture: &Picture) -> Prepared {
        let inverted = self.polarity == Polarity::Dark;
        let planes: Vec<Plane> = match (&picture.colours, self.channels) {
            (Some(colours), 3) => {
                colours.iter().map(|plane| self.fitted(plane, inverted)).collect()
            }
            (_, channels) => vec![self.fitted(&picture.grey, inverted); channels],
        };
        let bytes: Vec<Vec<u8>> = planes.iter().map(Plane::bytes).collect();
        let pixels = (0..bytes[0].len())
            .flat_map(|pixel| bytes.iter().map(move |channel| channel[pixel]))
            .collect();
        let [height, width] = self.scaled([picture.grey.height, picture.grey.width]);
        let what = format!(
            "the whole picture scaled to {height}×{width} in a field of {}×{}, {}{}",
            self.size[0],
            self.size[1],
            if self.channels == 1 { "grey" } else { "in colour" },
            if inverted { ", inverted" } else { "" }
        );
        let field = self.fitted(&picture.grey, inverted);
        let step = Step { name: "field", what, picture: field };
        Prepared { pixels, inverted, steps: vec![step], warnings: Vec::new() }
    }

    /// Height and width of a picture in the field.
    fn scaled(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        let [rows, columns] = self.size;
        // Which side fills the field, and the other in proportion, rounded.
        if rows * width <= columns * height {
            [rows, ((width * rows + height / 2) / height).clamp(1, columns)]
        } else {
            [((height * columns + width / 2) / width).clamp(1, rows), columns]
        }
    }

    fn fitted(&self, plane: &Plane, inverted: bool) -> Plane {
        let [height, width] = self.scaled([plane.height, plane.width]);
        let scaled = plane.resample(height, width);
        let mut field = Plane::new(self.size[0], self.size[1]);
        if [height, width] != self.size {
            field.pixels.fill(ground::border_level(plane));
        }
        let [top, left] = [(self.size[0] - height) / 2, (self.size[1] - width) / 2];
        for row in 0..height {
            let start = (top + row) * self.size[1] + left;
            field.pixels[start..start + width]
                .copy_from_slice(&scaled.pixels[row * width..(row + 1) * width]);
        }
        if inverted {
            field.pixels.iter_mut().for_each(|pixel| *pixel = 255.0 - *pixel);
        }
        field
    }
}

#[cfg(test)]
mod tests {
    use super::{Picture, Plane, Polarity, Preparation};
    use crate::prepare::Layout;

    fn whole(size: [usize; 2], channels: usize, polarity: Polarity) -> Preparation {
        Preparation { size, channels, layout: Layout::Whole, polarity }
    }

    #[test]
    fn colours_and_sides_stay_and_nothing_is_inverted() {
        let plane = |level: u8| Plane::from_bytes(2, 3, &[level; 6]);
        let colours = Some(Box::new([plane(250), plane(20), plane(90)]));
        let picture = Picture { size: [2, 3], grey: plane(200), colours };
        let image = whole([2, 3], 3, Polarity::Auto).apply(&picture).expect("is prepared");
        assert_eq!(image.pixels, [250, 20, 90].repeat(6));
        let grey = whole([2, 3], 1, Polarity::Auto).apply(&picture).expect("is prepared");
        assert_eq!((grey.pixels, grey.inverted), (vec![200; 6], false));
        let dark = whole([2, 3], 1, Polarity::Dark).apply(&picture).expect("is prepared");
        assert_eq!((dark.pixels, dark.inverted), (vec![55; 6], true));
    }

    #[test]
    fn what_does_not_fill_the_field_goes_on_in_its_borders_colour() {
        let mut bytes = [70; 8];
        bytes[2] = 9;
        let picture = Picture::grey(Plane::from_bytes(1, 8, &bytes));
        let image = whole([4, 8], 1, Polarity::Auto).apply(&picture).expect("is prepared");
        let mut expected = [70; 32];
        expected[10] = 9;
        assert_eq!(image.pixels, expected);
    }
}
