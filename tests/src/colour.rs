//! Pictures on which hue decides: spots on metal, as bright as each other.

use std::path::Path;

use image::{Rgb, RgbImage};

/// What is on the metal.
pub const SPOTS: [&str; 3] = ["clean", "rust", "verdigris"];

/// A picture of brushed metal with the spots called `SPOTS[class]`; spots of both kinds have the
/// same places, shapes and brightness for the same seed.
pub fn metal(class: usize, seed: u64, [height, width]: [u32; 2]) -> RgbImage {
    let mut rng = fastrand::Rng::with_seed(seed);
    let light = 90.0 + 60.0 * rng.f32();
    let slope = [rng.f32() - 0.5, rng.f32() - 0.5].map(|slope| 60.0 * slope);
    let spots: Vec<[f32; 3]> = (0..rng.usize(2..5))
        .map(|_| {
            let radius = (0.08 + 0.12 * rng.f32()) * height.min(width) as f32;
            [rng.f32() * height as f32, rng.f32() * width as f32, radius]
        })
        .collect();
    // Both have the luma 100 of 255 (ITU-R BT.709), in units of the light.
    let tint = match class {
        1 => [1.68, 0.84, 0.57],
        2 => [0.46, 1.13, 1.32],
        _ => [1.0; 3],
    };
    let mut brushed: Vec<f32> = (0..height).map(|_| 14.0 * (rng.f32() - 0.5)).collect();
    brushed.rotate_left(1);
    RgbImage::from_fn(width, height, |x, y| {
        let shade = slope[0] * y as f32 / height as f32 + slope[1] * x as f32 / width as f32;
        let grain = 10.0 * (rng.f32() - 0.5);
        let level = light + shade + brushed[y as usize] + grain;
        let distance = |[row, column, radius]: &[f32; 3]| {
            ((y as f32 - row).powi(2) + (x as f32 - column).powi(2)).sqrt() / radius
        };
        let nearest = spots.iter().map(distance).fold(f32::MAX, f32::min);
        let cover = (1.6 - nearest).clamp(0.0, 1.0);
        Rgb(tint.map(|tint| {
            let spotted = level * (0.8 * tint * cover + (1.0 - cover));
            let plain = level * (0.8 * cover + (1.0 - cover));
            (if class == 0 { plain } else { spotted }).round().clamp(0.0, 255.0) as u8
        }))
    })
}

/// Writes `count` pictures of each kind into a folder of its name.
pub fn write(folder: &Path, count: usize, size: [u32; 2]) {
    for (class, name) in SPOTS.iter().enumerate() {
        let dir = folder.join(name);
        std::fs::create_dir_all(&dir).expect("the folder is made");
        for number in 0..count {
            let seed = (class * count + number) as u64;
            let path = dir.join(format!("{number:03}.png"));
            metal(class, seed, size).save(path).expect("the picture is written");
        }
    }
}
