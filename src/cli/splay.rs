//! How long a run waits, so that a hundred machines whose cron says 02:00 do not all call at once.
//!
//! Always the same time for one host and job: runs of it stay as far apart as cron has them.

use ring::digest::SHA256;
use ring::digest::digest;
use std::time::Duration;

/// Returns a time of less than `span` that the names alone decide.
///
/// The first 64 bits of a SHA-256 of the names are taken for a fraction, so that it is the same
/// in every version and on every machine.
pub(crate) fn wait(span: Duration, host: &[u8], job: &str) -> Duration {
    let names = [host, b"\0", job.as_bytes()].concat();
    let hash = digest(&SHA256, &names);
    let first = hash.as_ref().first_chunk().expect("a SHA-256 has 32 bytes");
    let fraction = u128::from(u64::from_be_bytes(*first));
    let nanos = span.as_nanos().saturating_mul(fraction) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_job_always_wait_the_same_time() {
        let check = |host: &str, job, millis| {
            let waits = wait(Duration::from_secs(300), host.as_bytes(), job);
            assert_eq!(waits.as_millis(), millis, "{host} {job}");
        };
        check("edge-1", "nightly", 298_218);
        check("edge-2", "nightly", 83_457);
        check("edge-1", "hourly", 184_217);
    }

    #[test]
    fn hosts_are_spread_over_the_whole_span() {
        let span = Duration::from_secs(60);
        let mut tenths = [0; 10];
        for host in 0..1_000 {
            let waits = wait(span, format!("host-{host}").as_bytes(), "nightly");
            assert!(waits < span);
            tenths[usize::try_from(waits.as_millis() / 6_000).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|hosts| (70..130).contains(hosts)), "{tenths:?}");
    }

    #[test]
    fn without_a_span_there_is_no_wait() {
        assert_eq!(wait(Duration::ZERO, b"edge-1", "nightly"), Duration::ZERO);
    }
}
