//! Where a character lies in its image: as MNIST has it, by its centre of mass.

use super::Preparation;

/// Puts the box into the image, its centre of mass in the middle: in MNIST at row and column 14 of 28,
/// counted from 0. Returns the box's corner.
pub fn centred(
    boxed: &[u8],
    [height, width]: [usize; 2],
    preparation: &Preparation,
    image: &mut [u8],
) -> [usize; 2] {
    let (mut mass, mut moments) = (0_u32, [0_u64; 2]);
    for (row, line) in boxed.chunks_exact(width.max(1)).enumerate() {
        let (mut sum, mut moment) = (0_u32, 0_u32);
        for (column, &level) in line.iter().enumerate() {
            sum += u32::from(level);
            moment += column as u32 * u32::from(level);
        }
        mass += sum;
        moments[0] += row as u64 * u64::from(sum);
        moments[1] += u64::from(moment);
    }
    // Everything is brought to 31 bits; what is lost is far below a pixel.
    let [rows, columns] = preparation.size;
    let longer = rows.max(columns) as u64 + 1;
    let mut lost = 0;
    while moments.iter().chain([&(longer * u64::from(mass))]).any(|sum| sum >> lost > 0x3fff_ffff) {
        lost += 1;
    }
    let mass = (mass >> lost).max(1);
    // The middle less the centre of mass, rounded half up.
    let start = |side: usize, moment: u64, own: usize| {
        let twice = (side as u32 + 1) * mass;
        let start = twice.saturating_sub(2 * (moment >> lost) as u32) / (2 * mass).max(1);
        (start as usize).min(side.saturating_sub(own))
    };
    let corner = [start(rows, moments[0], height), start(columns, moments[1], width)];
    image.fill(0);
    let channels = preparation.channels.max(1);
    let lines = image.chunks_exact_mut((columns * channels).max(1)).skip(corner[0]);
    for (line, levels) in lines.zip(boxed.chunks_exact(width.max(1))) {
        let pixels = line.chunks_exact_mut(channels).skip(corner[1]);
        pixels.zip(levels).for_each(|(pixel, level)| pixel.fill(*level));
    }
    corner
}
