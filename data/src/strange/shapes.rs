//! Solid things in the middle of the field, with a grain: what has a body where characters have lines.

use crate::random::Random;

/// Places along a thing's axis between which its width runs straight.
const KNOTS: usize = 6;
/// The widest place of a thing is at least so far from its axis, as a share of the field.
const BROAD: f32 = 0.16;

/// How far a thing reaches to one side of its axis along it, as shares of the field.
struct Side([f32; KNOTS]);

impl Side {
    fn random(random: &mut Random) -> Self {
        let most = random.between(BROAD, 0.5);
        let mut reaches = [(); KNOTS].map(|()| most * random.between(0.3, 1.0));
        reaches[random.below(KNOTS as u32) as usize] = most;
        Self(reaches)
    }

    /// At a place from 0 to 1.
    fn at(&self, place: f32) -> f32 {
        let place = place.clamp(0.0, 1.0) * (KNOTS - 1) as f32;
        let knot = (place as usize).min(KNOTS - 2);
        let share = place - knot as f32;
        self.0[knot] * (1.0 - share) + self.0[knot + 1] * share
    }
}

/// A field `[height][width][channels]` with one thing; `dark` says that the ground is black.
pub fn draw(random: &mut Random, [height, width, channels]: [usize; 3], dark: bool) -> Vec<u8> {
    let lying = random.below(3) == 0;
    let [start, end] = [random.between(0.0, 0.2), random.between(0.75, 1.0)];
    let left = Side::random(random);
    // Most things are the same on both sides.
    let right = if random.below(4) > 0 { Side(left.0) } else { Side::random(random) };
    // Two legs or a handle: a gap along the axis, behind a place of it.
    let gap = [random.between(0.02, 0.12), random.between(0.1, 0.7)];
    let split = random.below(3) == 0;
    let levels: Vec<f32> = (0..channels).map(|_| random.between(50.0, 255.0)).collect();
    let ground: Vec<f32> =
        (0..channels).map(|_| if dark { 0.0 } else { random.between(0.0, 255.0) }).collect();
    // How wide an edge is between full and empty, in pixels.
    let softness = random.between(0.8, 2.2);
    let slope = [(); 2].map(|()| random.between(-80.0, 80.0));
    let grain = if random.below(3) == 0 { 0.0 } else { random.between(0.0, 45.0) };
    let stripes = if random.below(3) == 0 { random.between(10.0, 110.0) } else { 0.0 };
    let (period, along) = (1.0 + random.unit() * 5.0, random.below(2) == 0);
    let mut result = Vec::with_capacity(height * width * channels);
    for row in 0..height {
        for column in 0..width {
            let [down, across] =
                [(row as f32 + 0.5) / height as f32, (column as f32 + 0.5) / width as f32];
            let [axis, aside] = if lying { [across, down - 0.5] } else { [down, across - 0.5] };
            let place = (axis - start) / (end - start);
            let reach = if aside < 0.0 { left.at(place) } else { right.at(place) };
            let open = split && aside.abs() < gap[0] && place > gap[1];
            let edge = (reach - aside.abs()) * height.min(width) as f32 / softness;
            let cover =
                if (0.0..=1.0).contains(&place) && !open { edge.clamp(0.0, 1.0) } else { 0.0 };
            let turn = if along { row } else { column } as f32 / period;
            let light = slope[0] * (down - 0.5)
                + slope[1] * (across - 0.5)
                + stripes * turn.sin()
                + grain * random.normal();
            for (level, ground) in levels.iter().zip(&ground) {
                let value = (level + light).clamp(20.0, 255.0);
                result.push((cover * value + (1.0 - cover) * ground).round() as u8);
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::random::{Purpose, Random};

    #[test]
    fn things_are_solid_and_on_a_ground() {
        for place in 0..60 {
            let mut random = Random::new(1, Purpose::Strange, place);
            let image = draw(&mut random, [28, 28, 1], true);
            let ink = image.iter().filter(|&&value| value > 0).count();
            assert!((60..=784).contains(&ink), "{place}: {ink}");
            let colour = draw(&mut random, [12, 30, 3], false);
            assert_eq!(colour.len(), 12 * 30 * 3);
            assert!(colour.iter().any(|&value| value != colour[0]), "{place}");
        }
    }
}
