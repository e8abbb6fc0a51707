//! BatchNormalization as at inference: an affine function of each channel.

use super::*;

/// `y = scale * (x - mean) / sqrt(variance + epsilon) + bias`, per channel, as at inference.
pub(super) fn batch_normalization(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let view = node.view(reader, 0)?;
    if node.int("training_mode", 0) != 0 {
        return Err(node.wrong("is in training mode; export the model for inference"));
    }
    if node.int("spatial", 1) != 1 {
        return Err(node.wrong("spatial=0 is not supported"));
    }
    let Some(&channels) = view.dims().get(1) else {
        return Err(node.wrong("expects the channels in dimension 1"));
    };
    let epsilon = node.float("epsilon", 1e-5);
    let mut parameters = Vec::new();
    for index in 1..=4 {
        let parameter = node.constant(reader, index)?.floats()?.to_vec();
        if parameter.len() != channels {
            return Err(
                node.wrong(format!("{} parameters for {channels} channels", parameter.len()))
            );
        }
        parameters.push(parameter);
    }
    let [gamma, beta, mean, variance] = &parameters[..] else { return Ok(()) };
    let scale: Vec<f32> = gamma
        .iter()
        .zip(variance)
        .map(|(gamma, variance)| gamma / (variance + epsilon).sqrt())
        .collect();
    let shift: Vec<f32> = (0..channels).map(|c| beta[c] - mean[c] * scale[c]).collect();
    if scale.iter().chain(&shift).any(|value| !value.is_finite()) {
        return Err(node.wrong("its scale is infinite or not a number (is a variance negative?)"));
    }
    // The channels are dimension 1, whatever stands behind it.
    let mut dims = vec![1; view.rank() - 1];
    dims[0] = channels;
    // The first may turn the value into a vector, which the second finds then.
    let (view, scale) = arithmetic::per_channel(reader, node, view, &dims, &scale)?;
    let (view, shift) = arithmetic::per_channel(reader, node, view, &dims, &shift)?;
    arithmetic::affine(reader, node, &view, scale, shift)
}
