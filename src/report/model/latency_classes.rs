//! Counts attempts by latency, for a chart of any width.

use std::time::Duration;

/// The number of latency classes for a factor of ten.
const CLASSES_PER_DECADE: f64 = 8.0;
/// The first class begins here and takes all shorter latencies.
const SHORTEST: Duration = Duration::from_micros(100);
/// The number of classes: up to an hour.
const CLASSES: usize = 62;

/// Attempts by latency, in classes that grow by a constant factor.
#[derive(Debug, Clone)]
pub(crate) struct LatencyClasses([u64; CLASSES]);

impl Default for LatencyClasses {
    fn default() -> Self {
        Self([0; CLASSES])
    }
}

impl LatencyClasses {
    /// Adds an attempt that took this long.
    pub(crate) fn add(&mut self, duration: Duration) {
        // log10 of the ratio, so that equal factors are equally wide in the chart.
        let decades = (duration.as_secs_f64() / SHORTEST.as_secs_f64()).max(1.0).log10();
        // The cast saturates, and the last class takes all longer latencies.
        let class = (decades * CLASSES_PER_DECADE) as usize;
        self.0[class.min(CLASSES - 1)] += 1;
    }

    /// Returns the classes from the first to the last with an attempt: where each begins, and its
    /// number of attempts.
    pub(crate) fn occupied(&self) -> Vec<(Duration, u64)> {
        let first = self.0.iter().position(|&count| count > 0).unwrap_or(CLASSES);
        let last = self.0.iter().rposition(|&count| count > 0).map_or(first, |last| last + 1);
        (first..last).map(|class| (Self::from(class), self.0[class])).collect()
    }

    /// Returns where a class begins.
    fn from(class: usize) -> Duration {
        SHORTEST.mul_f64(10_f64.powf(class as f64 / CLASSES_PER_DECADE))
    }

    /// Returns the position of a duration on an axis of classes whose first begins at `first`.
    pub(crate) fn position(duration: Duration, first: Duration) -> f64 {
        (duration.as_secs_f64() / first.as_secs_f64()).max(1.0).log10() * CLASSES_PER_DECADE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_class_that_begins_before_it() {
        let mut classes = LatencyClasses::default();
        for millis in [0, 17, 17, 900, 9_999_999] {
            classes.add(Duration::from_millis(millis));
        }
        let occupied = classes.occupied();
        assert_eq!(occupied.iter().map(|(_, count)| count).sum::<u64>(), 5);
        assert_eq!(occupied.len(), CLASSES);
        let seventeen =
            occupied.iter().rfind(|(from, _)| *from <= Duration::from_millis(17)).unwrap();
        assert_eq!(seventeen.1, 2);
    }

    #[test]
    fn a_factor_of_ten_is_as_wide_everywhere() {
        let first = Duration::from_millis(1);
        assert!((LatencyClasses::position(Duration::from_millis(10), first) - 8.0).abs() < 1e-9);
        assert!((LatencyClasses::position(Duration::from_millis(100), first) - 16.0).abs() < 1e-9);
        assert_eq!(LatencyClasses::position(Duration::ZERO, first), 0.0);
    }
}
