//! The networks with a name: files in `networks/` that can be copied and changed.

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

/// The network for whoever has not asked for one: `simple` for strokes on black, as digits are,
/// `photo` for pictures in colour and for grey ones with a light border, `recordings` for several sensors
/// over time, and `vector` for one row of numbers, whose order may mean nothing.
///
/// # Errors
///
/// None for presets that are as they should be.
pub fn usual(images: &Dataset) -> Result<Description, DescriptionError> {
    if images.height() == 1 {
        let recordings = images.channels() > 1 && images.width() >= LEAST_MOMENTS;
        return Description::named(if recordings { RECORDINGS } else { VECTOR });
    }
    let light = images.channels() == 3 || Border::of(images) == Border::Continued;
    let fits = images.height().min(images.width()) >= LEAST_PHOTO;
    Description::named(if light && fits { PHOTO } else { PRESETS[0].0 })
}

/// The presets' names and their files, the default first.
pub const PRESETS: [(&str, &str); 8] = [
    ("simple", include_str!("../../../networks/simple.toml")),
    (PHOTO, include_str!("../../../networks/photo.toml")),
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
