//! A way to another server that can be long, or cut as a cable is: nothing comes through and nobody is
//! told.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A relay; it lasts as long as the process.
pub(crate) struct Relay {
    address: SocketAddr,
    way: Arc<Way>,
}

#[derive(Default)]
struct Way {
    is_cut: AtomicBool,
    /// How long each direction takes.
    delay_ms: AtomicU64,
    /// The answer to the commit after this statement gets lost, once.
    lost: Mutex<Option<&'static str>>,
    /// This statement does not come through, and its session is cut, once: after so many others like it.
    severed: Mutex<Option<(&'static str, u32)>>,
}

impl Relay {
    /// Starts a relay to a port of this machine.
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, way) = (listener.local_addr().unwrap(), Arc::new(Way::default()));
        let shared = Arc::clone(&way);
        thread::spawn(move || {
            for client in listener.incoming() {
                let way = Arc::clone(&shared);
                thread::spawn(move || {
                    let (Ok(client), Ok(server)) =
                        (client, TcpStream::connect(("127.0.0.1", port)))
                    else {
                        return;
                    };
                    let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                    let of_answers = Arc::clone(&way);
                    thread::spawn(move || pass_on(back.0, back.1, &of_answers, Direction::Answers));
                    pass_on(client, server, &way, Direction::Questions);
                });
            }
        });
        Self { address, way }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on nothing comes through, in either direction.
    pub(crate) fn cut(&self) {
        self.way.is_cut.store(true, Ordering::SeqCst);
    }

    /// What was under way arrives, and so does what follows.
    pub(crate) fn mend(&self) {
        self.way.is_cut.store(false, Ordering::SeqCst);
    }

    /// Carries the next commit out that follows such a statement, and loses the answer to it.
    pub(crate) fn lose_commit_after(&self, statement: &'static str) {
        *self.way.lost.lock().unwrap() = Some(statement);
    }

    /// Cuts the session of the next such statement, which does not come through, but for the first
    /// ones.
    pub(crate) fn sever_at(&self, statement: &'static str, after: u32) {
        *self.way.severed.lock().unwrap() = Some((statement, after));
    }

    /// Returns whether that has happened.
    pub(crate) fn has_lost_one(&self) -> bool {
        let Way { lost, severed, .. } = &*self.way;
        lost.lock().unwrap().is_none() && severed.lock().unwrap().is_none()
    }

    /// Makes each direction take so long.
    pub(crate) fn delay(&self, millis: u64) {
        self.way.delay_ms.store(millis, Ordering::SeqCst);
    }
}

impl Way {
    /// Returns whether the session ends in place of what is sent here.
    fn severs(&self, sent: &[u8]) -> bool {
        let mut severed = self.severed.lock().unwrap();
        match &mut *severed {
            Some((text, after)) if holds(sent, text) => {
                let is_due = *after == 0;
                *after = after.saturating_sub(1);
                if is_due {
                    *severed = None;
                }
                is_due
            }
            _ => false,
        }
    }

    /// Returns whether the answer to what is sent here gets lost.
    fn loses(&self, sent: &[u8], is_next: &mut bool) -> bool {
        if *is_next && holds(sent, "COMMIT") {
            self.lost.lock().unwrap().take();
            return true;
        }
        *is_next |= self.lost.lock().unwrap().is_some_and(|text| holds(sent, text));
        false
    }
}

fn holds(sent: &[u8], text: &str) -> bool {
    sent.windows(text.len()).any(|window| window == text.as_bytes())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Questions,
    Answers,
}

/// Passes on what comes, until either side is gone.
fn pass_on(mut from: TcpStream, mut to: TcpStream, way: &Way, direction: Direction) {
    let mut is_next = false;
    let _ = (from.set_nodelay(true), to.set_nodelay(true));
    let mut buffer = [0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        thread::sleep(Duration::from_millis(way.delay_ms.load(Ordering::SeqCst)));
        while way.is_cut.load(Ordering::SeqCst) {
            thread::sleep(LOOK_AGAIN);
        }
        if direction == Direction::Questions && way.severs(&buffer[..read]) {
            break;
        }
        let is_lost = direction == Direction::Questions && way.loses(&buffer[..read], &mut is_next);
        if is_lost {
            // Nobody listens any more when the answer comes.
            let _ = from.shutdown(Shutdown::Both);
        }
        if to.write_all(&buffer[..read]).is_err() || is_lost {
            thread::sleep(Duration::from_millis(100));
            break;
        }
    }
    // Whoever still waits for the other side learns of its end.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
