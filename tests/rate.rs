//! The rate as the service sees it, and as the store recorded it.
//!
//! A test binary of its own, whose tests take turns: it needs the machine for itself. The times at
//! which calls were sent must be right every time. The times at which they arrive depend on the
//! machine as well, so a run with wrong arrivals is repeated a few times before it is judged:
//!
//! ```text
//! sent     |···|···|···|···|···|     never more than the limit in a second
//!           \   \    \ |   |   |
//! arrived    |····|····|··||·|·|     the first calls were delayed, so more arrive in a second:
//!                                    judged by a second that is shorter by WAY
//!
//! witness  |||||||||||||||    |||    wakes every millisecond; a delay of STILL means that the
//!                         ‹STILL›    machine stood still: if it did in every try, none is judged
//! ```

// So marked, helpers may `unwrap` as the tests may.
#[cfg(test)]
#[path = "support/mod.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod support;

#[cfg(test)]
mod tests {
    use crate::support::documents::report;
    use crate::support::program::Scene;
    use crate::support::reply::Reply;
    use crate::support::server::Request;
    use crate::support::server::Server;
    use batchctl::clock::Clock;
    use batchctl::reading::RunReader;
    use batchctl::store::RunDirectory;
    use serde_json::Value;
    use std::sync::Mutex;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    const SECOND: u64 = 1_000_000;
    /// At most how often a run is repeated until its arrivals are as they should be.
    const TRIES: usize = 4;
    /// How much closer together than they were sent calls may arrive on a machine that did not
    /// stand still, in microseconds: threads take turns on few processors without a stall.
    const WAY: u64 = 50_000;
    /// A witness that wakes up so much too late has seen the machine stand still: as long as the
    /// margin that the pacer keeps for the way to the service.
    const STILL: Duration = Duration::from_millis(5);

    static TURN: Mutex<()> = Mutex::new(());

    /// Watches whether this machine lets a thread wake up in time.
    struct Witness {
        stop: mpsc::Sender<()>,
        thread: thread::JoinHandle<u32>,
    }

    impl Witness {
        fn begin() -> Self {
            let (stop, stopped) = mpsc::channel();
            let thread = thread::spawn(move || {
                let clock = Clock::start();
                let mut stood_still = 0;
                let step = Duration::from_millis(1);
                loop {
                    let due = clock.instant() + step;
                    match stopped.recv_timeout(step) {
                        Err(mpsc::RecvTimeoutError::Timeout) => {}
                        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => return stood_still,
                    }
                    let late = clock.instant().saturating_duration_since(due);
                    stood_still += u32::from(late >= STILL);
                }
            });
            Self { stop, thread }
        }

        /// Returns how often the machine stood still.
        fn end(self) -> u32 {
            drop(self.stop);
            self.thread.join().unwrap()
        }
    }

    /// One run: when its calls were sent and when they arrived, in microseconds.
    struct Run {
        sent: Vec<u64>,
        arrived: Vec<u64>,
        report: Value,
    }

    fn run(tasks: u32, rate: u32, reply: fn(&Request) -> Reply) -> Run {
        let server = Server::start(reply);
        let scene = Scene::with(&server);
        let ids: Vec<String> = (0..tasks).map(|number| format!("task-{number:05}")).collect();
        scene.write("tasks.txt", ids.join("\n"));
        let rate = format!("{rate}/s");
        let ended = scene.call(&["start", "tasks.txt", "--rate", &rate, "-j", "64", "--json"]);
        let report = report(&ended.expect(0).stdout);
        let arrived = server.requests().iter().map(|request| request.micros).collect();
        Run { sent: sent(&scene), arrived, report }
    }

    /// Reads from the store when each call was sent.
    fn sent(scene: &Scene) -> Vec<u64> {
        let runs = RunDirectory::existing(&scene.state());
        let id = runs.find("latest").unwrap();
        let mut sent = Vec::new();
        let reader = RunReader::open(&runs, &id).unwrap();
        reader
            .for_each_attempt(|attempt| {
                sent.push(attempt.sent.as_micros().unsigned_abs());
                Ok::<(), batchctl::store::StoreError>(())
            })
            .unwrap();
        sent.sort_unstable();
        sent
    }

    /// Returns the most that any window of that many microseconds holds.
    fn peak(times: &[u64], window: u64) -> usize {
        let mut first = 0;
        let mut most = 0;
        for (last, time) in times.iter().enumerate() {
            while time - times[first] >= window {
                first += 1;
            }
            most = most.max(last - first + 1);
        }
        most
    }

    /// Returns how many there were a second, from the first to the last.
    fn average(times: &[u64]) -> f64 {
        let span = times.last().unwrap() - times[0];
        (times.len() - 1) as f64 * SECOND as f64 / span as f64
    }

    /// Runs until the arrivals keep within the rate and reach `least` a second on average.
    #[expect(clippy::print_stderr, reason = "says why arrivals are not judged")]
    fn check(tasks: u32, rate: u32, least: f64, reply: fn(&Request) -> Reply) -> Run {
        // A test that failed has nothing to hand over that could be wrong.
        let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let most = usize::try_from(rate).unwrap();
        let mut seen = Vec::new();
        for _ in 0..TRIES {
            let witness = Witness::begin();
            let run = run(tasks, rate, reply);
            let stood_still = witness.end();
            let sent = peak(&run.sent, SECOND);
            assert!(sent <= most, "{sent} were sent within a second");
            assert_eq!(run.report["pace"]["rate_peak_1s"], sent);
            assert_eq!(run.arrived.len(), run.sent.len());
            let (peak, average) = (peak(&run.arrived, SECOND), average(&run.arrived));
            if peak <= most && average >= least {
                return run;
            }
            let wrong = format!("peak {peak}, average {average:.1}/s, {stood_still} stalls");
            seen.push((wrong, stood_still, run));
        }
        let stood_still = seen.iter().all(|(_, stalls, _)| *stalls > 0);
        let (wrong, _, run) = seen.pop().expect("there were some tries");
        let bunched = peak(&run.arrived, SECOND - WAY) > most;
        let slow = average(&run.arrived) < least * 0.95;
        assert!(stood_still || !(bunched || slow), "at the service, on a quiet machine: {wrong}");
        eprintln!("the machine is too busy to judge arrivals by: {wrong}");
        run
    }

    #[test]
    fn a_thousand_a_second_are_a_thousand_in_every_second_at_the_service() {
        let run = check(10_000, 1_000, 990.0, |request| Reply::trusted(&request.id, 0, 1));
        assert_eq!(run.report["tasks"]["succeeded"], 10_000);
        assert_eq!(run.arrived.len(), 10_000);
    }

    #[test]
    fn calls_that_were_throttled_count_when_they_are_sent_again() {
        // Three of ten tasks are refused the first time, and asked to come back at once.
        let run = check(120, 50, 0.0, |request| {
            let number: u32 = request.id["task-".len()..].parse().unwrap();
            if request.attempt == 1 && number % 10 < 3 {
                let message = "The throttling threshold has been reached";
                return Reply::gateway(429, "APIGW.0308", message).with_header("retry-after", "0");
            }
            Reply::trusted(&request.id, 0, 1)
        });
        assert_eq!(run.report["tasks"]["succeeded"], 120);
        assert_eq!(run.report["calls"]["throttled"], 36);
        assert_eq!(run.sent.len(), 156);
    }

    /// Four processes of a group, of which the first is killed: who called when, in microseconds,
    /// and how many calls had come when it was killed.
    fn group(names: [&str; 4], rate: u32) -> (Vec<(u64, usize)>, usize) {
        let server = Server::start(|request| Reply::trusted(&request.id, 0, 1));
        let scene = Scene::with(&server);
        let limit = format!("{rate}/s");
        let runs = names.map(|name| {
            let ids: Vec<String> = (0..200).map(|number| format!("{name}-{number}")).collect();
            let file = format!("{name}.txt");
            scene.write(&file, ids.join("\n"));
            scene.start(&["start", &file, "--rate", &limit, "--rate-group", "city", "-q"])
        });
        while names.iter().any(|name| !server.ids().iter().any(|id| id.starts_with(name))) {
            server.wait_for(server.count() + 1);
        }
        let second = usize::try_from(rate).unwrap();
        server.wait_for(server.count() + 4 * second);
        let mut runs = runs.into_iter();
        runs.next().unwrap().kill();
        let killed = server.count();
        server.wait_for(killed + 4 * second);
        runs.for_each(|run| drop(run.kill()));
        let who = |id: &str| names.iter().position(|name| id.starts_with(name)).unwrap();
        let calls = server.requests();
        (calls.iter().map(|call| (call.micros, who(&call.id))).collect(), killed)
    }

    /// Returns what is wrong with the calls of a group, if anything is.
    fn wrong_in_group(calls: &[(u64, usize)], killed: usize, rate: usize) -> Option<String> {
        let times: Vec<u64> = calls.iter().map(|&(at, _)| at).collect();
        let peak = peak(&times, SECOND);
        // From when all four were there until one was killed.
        let four = &calls[killed - 4 * rate..killed];
        let share = |who| four.iter().filter(|&&(_, other)| other == who).count();
        let least = (0..4).map(share).min().unwrap_or_default();
        // All four use the rate, and from two seconds after the kill on the others do.
        let after: Vec<u64> = times[(killed + 2 * rate).min(times.len() - 2)..].to_vec();
        let before: Vec<u64> = four.iter().map(|&(at, _)| at).collect();
        let used = average(&before).min(average(&after));
        let fine = peak <= rate && least * 10 >= four.len() && used >= 0.95 * rate as f64;
        let left = calls[killed..].iter().filter(|&&(_, who)| who == 0).count();
        let wrong = format!("peak {peak}, least share {least} of {}, used {used:.1}/s", four.len());
        // What was on the wire when the process was killed may come a moment later.
        (!fine || left > 2).then_some(wrong)
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "says why arrivals are not judged")]
    fn a_killed_process_of_a_group_leaves_its_share_to_the_others() {
        let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut seen = Vec::new();
        for _ in 0..TRIES {
            let witness = Witness::begin();
            let (calls, killed) = group(["north", "south", "east", "west"], 20);
            let stood_still = witness.end();
            let Some(wrong) = wrong_in_group(&calls, killed, 20) else { return };
            seen.push((wrong, stood_still));
        }
        assert!(seen.iter().all(|(_, stalls)| *stalls > 0), "on a quiet machine: {seen:?}");
        eprintln!("the machine is too busy to judge arrivals by: {seen:?}");
    }
}
