//! Sequences.

use super::{Scale, each};
use crate::contenders::generators::{corobin, iterator, raw, thread};
use crate::outside::python;
use crate::rows::Row;

pub fn rows(scale: Scale) -> Vec<Row> {
    let items = scale.times(2_000_000);
    let few = scale.times(40_000);
    let mut contenders = vec![
        each("corobin Generator", items, corobin),
        each("a hand-written iterator", items, iterator).at_most(3.0),
        each("RAW", items, raw),
        each("OS thread, channel of 0", few, |items| thread(items, 0)).at_most(1.0 / 500.0),
        each("OS thread, channel of 1", few, |items| thread(items, 1)),
        each("OS thread, channel of 64", few, |items| thread(items, 64)),
    ];
    contenders.extend(python(
        "Python generator, no work",
        "generator_next",
        1,
        few,
    ));
    vec![Row::new("next number of 10 ns of work", "ns", contenders)]
}
