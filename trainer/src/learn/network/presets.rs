//! The networks with a name: files in `networks/` that can be copied and changed.

use super::{Description, DescriptionError, Network};

/// The presets' names and their files, the default first.
pub const PRESETS: [(&str, &str); 5] = [
    ("simple", include_str!("../../../networks/simple.toml")),
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
