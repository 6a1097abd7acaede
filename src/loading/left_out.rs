//! Finds the tasks that are left out of a plan, once its rows are loaded.

use crate::journal::OrdinalSet;
use crate::plan::Exclusions;
use crate::policy::Sample;
use crate::settings::LeftOut;
use crate::store::codes;
use crate::store::{Home, for_each_planned};
use crate::task::Ordinal;
use rusqlite::Connection;
use std::ops::ControlFlow::Continue;

/// Places of a draw are counted by their highest bits.
const COUNTED_BITS: u32 = 16;

/// Adds excluded tasks to `without`, in the order of the plan, and records them.
pub(super) fn leave_out_excluded(
    connection: &Connection,
    exclusions: &Exclusions,
    without: &mut OrdinalSet,
    left_out: &mut LeftOut,
) -> rusqlite::Result<()> {
    if exclusions.is_empty() {
        return Ok(());
    }
    for_each_planned(Home::new(connection), |task| {
        let ordinal = Ordinal(task.ordinal);
        // A duplicate was left out already, and is not counted twice.
        if !without.contains(ordinal) {
            let excluded = exclusions.find(&codes::task_id(task)?);
            if let Some(excluded) = excluded {
                without.insert(ordinal);
                left_out.add_excluded(excluded);
            }
        }
        Ok(Continue(()))
    })
}

/// Adds to `without` what is not in a sample of the `all` tasks that are left, and returns the
/// number.
///
/// The sample is the tasks with the lowest places. The first walk counts places by their highest
/// bits, so that the second one has to sort only those with the bits of the last place: memory
/// does not grow with the plan.
pub(super) fn leave_out_unsampled(
    connection: &Connection,
    sample: Sample,
    all: u64,
    without: &mut OrdinalSet,
) -> rusqlite::Result<u64> {
    let wanted = sample.tasks_of(all);
    if wanted == all {
        return Ok(0);
    }
    let mut counts = vec![0_u64; 1 << COUNTED_BITS];
    leave_out_where(connection, sample, without, |place, _, _| {
        counts[counted_bits(place)] += 1;
        false
    })?;
    let (last, room) = last_counted(&counts, wanted);
    let mut contenders = Vec::new();
    leave_out_where(connection, sample, without, |place, id, ordinal| {
        let bits = counted_bits(place);
        if bits == last {
            // With the id, so that equal places do not depend on the order either.
            contenders.push((place, id.to_owned(), ordinal));
        }
        bits > last
    })?;
    contenders.sort_unstable();
    for (_, _, ordinal) in contenders.into_iter().skip(room) {
        without.insert(ordinal);
    }
    Ok(all - wanted)
}

/// Adds to `without` the tasks that `is_out` says are left out by their place, id and ordinal.
fn leave_out_where(
    connection: &Connection,
    sample: Sample,
    without: &mut OrdinalSet,
    mut is_out: impl FnMut(u64, &str, Ordinal) -> bool,
) -> rusqlite::Result<()> {
    for_each_planned(Home::new(connection), |task| {
        let ordinal = Ordinal(task.ordinal);
        if !without.contains(ordinal) && task.id.with(|id| is_out(sample.place(id), id, ordinal)) {
            without.insert(ordinal);
        }
        Ok(Continue(()))
    })
}

fn counted_bits(place: u64) -> usize {
    usize::try_from(place >> (u64::BITS - COUNTED_BITS)).expect("16 bits fit a usize")
}

/// Returns the bits of the last place in a sample of so many, and how many tasks with these bits
/// belong to it.
fn last_counted(counts: &[u64], wanted: u64) -> (usize, usize) {
    let mut room = wanted;
    for (bits, &count) in counts.iter().enumerate() {
        if room <= count {
            return (bits, usize::try_from(room).unwrap_or(usize::MAX));
        }
        room -= count;
    }
    (counts.len(), 0)
}
