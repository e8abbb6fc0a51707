//! Several values that share the room for their rows at work: a tape.
//!
//! Between steps the rows that values keep lie side by side, in the order of the layers, behind a gap. As
//! a step goes through the layers, each value's rows are fetched from behind the gap to its buffer in the gap,
//! and those that it keeps are left in front: so the gap passes over the tape, and no value has a buffer to
//! itself. When all layers are done, what was kept goes back behind the gap. The first value stays where
//! it is.

/// Regions begin at multiples of this many bytes.
const ALIGNMENT: usize = 4;

/// What a value needs.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Bytes of all its rows at work, and of those that the next step needs again.
    pub held: usize,
    pub kept: usize,
    /// From the layer that computes it to the last that reads it, both counted.
    pub lives: (usize, usize),
}

/// Where a value's rows lie, in bytes from the beginning of the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its buffer, while it is alive.
    pub buffer: usize,
    /// What is kept, before the step comes to the value and after it has done with it.
    pub before: usize,
    pub after: usize,
    /// The layer behind which rows are left at `after`: the last that reads the value, or a value in front whose
    /// buffer covers that place.
    pub until: usize,
}

/// The places of `items`, which are in the order of their first layers, and the bytes of all.
pub fn lay(items: &[Item]) -> (Vec<Place>, usize) {
    let whole = |bytes: usize| bytes.next_multiple_of(ALIGNMENT);
    let mut places: Vec<Place> = Vec::new();
    let (mut after, mut gap, mut end) = (0, 0, 0);
    for (index, item) in items.iter().enumerate() {
        let (held, kept) = (whole(item.held), whole(item.kept));
        let (mut buffer, mut until) = (after, item.lives.1);
        for (place, other) in places.iter().zip(items) {
            // What was left lies in front of `after`, what is at work reaches further.
            if place.until >= item.lives.0 {
                buffer = buffer.max(place.buffer + whole(other.held));
                until = until.max(place.until);
            }
        }
        if buffer > after {
            // Rows are copied to where they are not.
            buffer = buffer.max(after + kept);
        }
        places.push(Place { buffer, before: after, after, until });
        // Rows wait behind all that is at work in front of them, and are copied to where they are not.
        gap = gap.max(kept);
        if index > 0 {
            gap = gap.max(buffer + kept - after);
        }
        gap = gap.max((buffer + held).saturating_sub(after + kept));
        end = end.max(buffer + held);
        after += kept;
    }
    for place in places.iter_mut().skip(1) {
        place.before += gap;
    }
    let kept_behind = if items.len() > 1 { after + gap } else { after };
    (places, end.max(kept_behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item([held, kept]: [usize; 2], lives: (usize, usize)) -> Item {
        Item { held, kept, lives }
    }

    #[test]
    fn a_value_begins_behind_what_the_one_in_front_keeps() {
        let (places, bytes) = lay(&[item([832, 416], (0, 1)), item([640, 320], (2, 3))]);
        assert_eq!(bytes, 416 + 320 + 416);
        let first = Place { buffer: 0, before: 0, after: 0, until: 1 };
        let second = Place { buffer: 416, before: 832, after: 416, until: 3 };
        assert_eq!(places, [first, second]);
        // And behind its buffer where a layer reads it and makes the other.
        let (places, bytes) = lay(&[item([832, 416], (0, 1)), item([640, 320], (1, 2))]);
        assert_eq!((places[1].buffer, bytes), (832, 832 + 640));
    }

    #[test]
    fn values_apart_take_the_room_of_one() {
        let items = [0, 2, 4, 6].map(|layer| item([1920, 640], (layer, layer + 1)));
        assert_eq!(lay(&items).1, 4 * 640 + 1280);
    }

    #[test]
    fn a_value_that_lives_longer_keeps_others_from_its_place() {
        let items = [item([12, 4], (0, 5)), item([8, 4], (1, 2)), item([8, 4], (3, 4))];
        let (places, _) = lay(&items);
        assert_eq!(places.iter().map(|place| place.until).collect::<Vec<_>>(), [5, 5, 5]);
    }

    /// Where a value's bytes are at work or kept while layer `time` runs.
    fn taken(item: &Item, place: &Place, time: usize) -> (usize, usize) {
        if time < item.lives.0 {
            (place.before, item.kept)
        } else if time <= place.until {
            (place.buffer, item.held)
        } else {
            (place.after, item.kept)
        }
    }

    fn apart(a: (usize, usize), b: (usize, usize)) -> bool {
        a.0 + a.1 <= b.0 || b.0 + b.1 <= a.0
    }

    #[test]
    fn random_values_never_meet_nor_are_copied_onto_themselves() {
        let mut random = 1_u32;
        let mut below = |limit: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 16) as usize % limit
        };
        for _ in 0..2000 {
            let items: Vec<Item> = (0..1 + below(6))
                .scan(0, |layer, _| {
                    let begin = *layer + below(2);
                    *layer = begin + 1;
                    let kept = below(30);
                    Some(item([kept + 1 + below(40), kept], (begin, begin + 1 + below(4))))
                })
                .collect();
            let (places, bytes) = lay(&items);
            let all: Vec<(&Item, &Place)> = items.iter().zip(&places).collect();
            for time in 0..=12 {
                for (index, (item, place)) in all.iter().enumerate() {
                    let this = taken(item, place, time);
                    assert!(
                        this.0.is_multiple_of(ALIGNMENT) && this.0 + this.1 <= bytes,
                        "{items:?}"
                    );
                    assert!(place.until >= item.lives.1);
                    for (other, place) in &all[index + 1..] {
                        assert!(apart(this, taken(other, place, time)), "{items:?} at {time}");
                    }
                }
            }
            for (index, (item, place)) in all.into_iter().enumerate() {
                let kept = |at: usize| (at, item.kept);
                let fetched = apart(kept(place.before), kept(place.buffer));
                let put_back = apart(kept(place.after), kept(place.before));
                assert!((fetched && put_back) || index == 0, "{items:?}");
                let left = apart((place.buffer, item.held), kept(place.after));
                assert!(left || place.buffer == place.after, "{items:?}");
                // Until the value is left, those in front have been, so that nothing is left in their place.
                for (before, other) in places[..index].iter().zip(&items) {
                    let meet = before.until >= item.lives.0;
                    assert!(!meet || place.until >= before.until, "{items:?}");
                    assert!(meet || before.after + other.kept <= place.after);
                }
            }
        }
    }
}
