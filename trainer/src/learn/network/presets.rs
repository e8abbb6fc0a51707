//! The networks with a name: files in `networks/` that can be copied and changed.

use inkling_data::prepare::drawn;
use inkling_data::{Border, Dataset};

use super::{Description, DescriptionError, Network};

/// The network for photographs.
const PHOTO: &str = "photo";

/// The smallest side of a photograph that it takes.
const LEAST_PHOTO: usize = 18;

/// The network for recordings of sensors, and the fewest moments that it takes.
const RECORDINGS: &str = "recordings";
const LEAST_MOMENTS: usize = 15;

/// The network for numbers without an order.
const VECTOR: &str = "vector";

/// The network for strokes on a light ground, the smallest side that it takes, and the largest area: its
/// last layer has a weight for each place.
const DRAWING: &str = "drawing";
const LEAST_DRAWING: usize = 22;
const LARGEST_DRAWING: usize = 128 * 128;

/// The network for whoever has not asked for one, and what speaks for it: `simple` for strokes on black, as
/// digits are, `photo` for pictures in colour and for grey ones with a light border, `drawing` for dark
/// strokes on light paper, `recordings` for several sensors over time, and `vector` for one row of numbers,
/// whose order may mean nothing.
///
/// # Errors
///
/// None for presets that are as they should be.
pub fn usual(images: &Dataset) -> Result<(Description, &'static str), DescriptionError> {
    let (height, width) = (images.height(), images.width());
    let (name, reason) = if height == 1 && images.channels() > 1 && width >= LEAST_MOMENTS {
        (RECORDINGS, "several sensors over time")
    } else if height == 1 {
        (VECTOR, "rows of numbers")
    } else if (LEAST_DRAWING..).contains(&height.min(width))
        && height * width <= LARGEST_DRAWING
        && drawn(images)
    {
        (DRAWING, "dark strokes on a light ground, told apart by where they are")
    } else if height.min(width) < LEAST_PHOTO {
        (PRESETS[0].0, "small images")
    } else if images.channels() == 3 {
        (PHOTO, "pictures in colour")
    } else if Border::of(images) == Border::Continued {
        (PHOTO, "pictures with light everywhere")
    } else {
        (PRESETS[0].0, "strokes on black")
    };
    Ok((Description::named(name)?, reason))
}

/// The presets' names and their files, the default first.
pub const PRESETS: [(&str, &str); 9] = [
    ("simple", include_str!("../../../networks/simple.toml")),
    (PHOTO, include_str!("../../../networks/photo.toml")),
    (DRAWING, include_str!("../../../networks/drawing.toml")),
    (RECORDINGS, include_str!("../../../networks/recordings.toml")),
    (VECTOR, include_str!("../../../networks/vector.toml")),
    ("tiny", include_str!("../../../networks/tiny.toml")),
    ("separable", include_str!("../../../networks/separable.toml")),
    ("resnet-mini", include_str!("../../../networks/resnet-mini.toml")),
    ("dense-mini", include_str!("../../../networks/dense-mini.toml")),
];

/// Their names in a sentence.
pub(super) fn names() -> String {
    PRESETS.map(|(name, _)| name).join(", ")
}

/// The reference network: two 5×5 convolutions of 10 and 20 channels, each followed by ReLU and
/// 2×2 max pooling, then fully connected layers of 50 and `classes` outputs. For 28×28 images and
/// 10 classes it has 21,840 parameters.
///
/// # Errors
///
/// Images that are too small.
pub fn simple(input: [usize; 3], classes: usize) -> Result<Network, DescriptionError> {
    Description::named("simple")?.build(input, classes)
}
