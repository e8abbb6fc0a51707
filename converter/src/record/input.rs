//! What a record says of the inputs: their shape and scale, and how what people have becomes their integers.

use inkling_data::prepare::{Fill, InputForm, Layout, Polarity, Wishes};
use inkling_data::read::{self, Wanted};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Element, ModelRecord};
use crate::passes::{PerChannel, PixelScale};

/// One input of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputRecord {
    pub name: String,
    /// Height, width, channels of one sample.
    pub shape: [usize; 3],
    pub element: Element,
    /// The float network takes `scale · q + offset` for the integer `q`; one pair for all channels,
    /// or one for each.
    pub scale: Vec<f32>,
    pub offset: Vec<f32>,
    #[serde(default)]
    pub preparation: PreparationRecord,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How what people have becomes the integers of an input.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PreparationRecord {
    /// What brought the training's data to bytes: pictures with size, colours, layout and ink, or
    /// numbers with scale and offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<InputForm>,
    /// How missing pixels are filled, and the level that stands for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<Fill>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_value: Option<u8>,
    /// How the float network's training scaled pixels: `(pixel / divisor − mean) / deviation`. Said
    /// where it is known; `scale` and `offset` of the input hold in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divisor: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<PerChannel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation: Option<PerChannel>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl PreparationRecord {
    /// What of the reading of data has to be repeated for whatever the model is asked later.
    pub fn new(form: &InputForm, options: &read::Options) -> Self {
        Self {
            form: Some(form.clone()),
            fill: options.fill,
            missing_value: options.missing_value,
            ..Self::default()
        }
    }
}

impl PreparationRecord {
    /// How data are read for an input of this height, width and number of channels.
    pub fn options(&self, [height, width, channels]: [usize; 3]) -> read::Options {
        let (layout, polarity) = match &self.form {
            Some(InputForm::Pictures(preparation)) => (preparation.layout, preparation.polarity),
            _ => (Layout::Whole, Polarity::default()),
        };
        read::Options {
            pictures: Wishes {
                // A file that takes a vector does not say which sides it has.
                size: (height * width > 1).then_some([height, width]),
                layout: None,
                // The record's, or how other tools train.
                usual: Some(layout),
                polarity,
                grey: channels == 1 || height * width == 1,
            },
            numbers: match &self.form {
                Some(InputForm::Numbers(scaling)) => Some(scaling.clone()),
                _ => None,
            },
            fill: self.fill,
            missing_value: self.missing_value,
            ..read::Options::default()
        }
    }

    /// How the training scaled pixels, where that is said.
    pub fn pixel_scale(&self) -> Option<PixelScale> {
        let (mean, deviation) = (self.mean.clone()?, self.deviation.clone()?);
        Some(PixelScale { divisor: self.divisor?, mean, deviation })
    }
}

impl ModelRecord {
    /// How samples are prepared for the first input; nothing where that is not known.
    pub fn preparation(&self) -> PreparationRecord {
        self.inputs.first().map(|input| input.preparation.clone()).unwrap_or_default()
    }

    /// The record with this preparation of its input, whose shape a conversion fills in. Pixels are
    /// scaled to 0…1 unless the preparation says otherwise.
    pub fn prepared_by(self, preparation: PreparationRecord) -> Self {
        self.of_inputs([("image", preparation)])
    }

    /// The same with several inputs, each with its name.
    pub fn of_inputs<'a>(
        mut self,
        inputs: impl IntoIterator<Item = (&'a str, PreparationRecord)>,
    ) -> Self {
        let plain = PixelScale::default();
        let input = |(name, preparation): (&str, PreparationRecord)| InputRecord {
            name: name.into(),
            shape: [1, 1, 1],
            element: Element::U8,
            scale: vec![1.0 / 255.0],
            offset: vec![0.0],
            preparation: PreparationRecord {
                divisor: preparation.divisor.or(Some(plain.divisor)),
                mean: preparation.mean.or_else(|| Some(plain.mean.clone())),
                deviation: preparation.deviation.or_else(|| Some(plain.deviation.clone())),
                ..preparation
            },
            other: Map::new(),
        };
        self.inputs = inputs.into_iter().map(input).collect();
        self
    }

    /// What the float network's training did with pixels, for a model with one input.
    pub fn pixel_scale(&self) -> Option<PixelScale> {
        self.inputs.first().and_then(InputRecord::pixel_scale)
    }

    /// The same for every input; nothing where that of one is not known.
    pub fn pixel_scales(&self) -> Vec<PixelScale> {
        let scales: Option<_> = self.inputs.iter().map(InputRecord::pixel_scale).collect();
        scales.unwrap_or_default()
    }

    /// What data must have for each of several inputs; nothing for a model of one.
    pub fn wanted(&self) -> Vec<Wanted> {
        let wanted = |input: &InputRecord| Wanted {
            name: input.name.clone(),
            shape: Some(input.shape),
            options: input.preparation.options(input.shape),
        };
        match &self.inputs[..] {
            [] | [_] => Vec::new(),
            several => several.iter().map(wanted).collect(),
        }
    }
}

impl InputRecord {
    /// What the float network's training did with the bytes of this input.
    pub fn pixel_scale(&self) -> Option<PixelScale> {
        if let Some(pixels) = self.preparation.pixel_scale() {
            return Some(pixels);
        }
        let (scale, offset) = (&self.scale, &self.offset);
        (!scale.is_empty() && scale.len() == offset.len()).then(|| {
            let means = scale.iter().zip(offset).map(|(scale, offset)| 0.0 - offset / scale);
            PixelScale {
                divisor: 1.0,
                mean: means.collect::<Vec<_>>().into(),
                deviation: scale.iter().map(|scale| 1.0 / scale).collect::<Vec<_>>().into(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Element, InputRecord, ModelRecord};
    use serde_json::Map;

    #[test]
    fn the_usual_scale_of_pixels_is_kept_to_the_last_bit() {
        let record = ModelRecord::new("m").prepared_by(Default::default());
        assert_eq!(record.pixel_scale(), Some(Default::default()));
        let read = ModelRecord::parse(&record.to_line()).expect("is a record");
        assert_eq!(read.pixel_scale(), Some(Default::default()));
    }

    #[test]
    fn the_scale_of_pixels_is_found_from_scale_and_offset() {
        let input = InputRecord {
            name: "image".into(),
            shape: [28, 28, 1],
            element: Element::U8,
            scale: vec![1.0 / 255.0],
            offset: vec![-0.5],
            preparation: Default::default(),
            other: Map::new(),
        };
        let pixels = input.pixel_scale().expect("one scale");
        let value =
            |pixel: f32| (pixel / pixels.divisor - pixels.mean.at(0)) / pixels.deviation.at(0);
        assert!((value(0.0) + 0.5).abs() < 1e-6 && (value(255.0) - 0.5).abs() < 1e-6);
    }
}
