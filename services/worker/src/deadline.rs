//! How long a slice may work, and how long it may still send (rule 7).

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pandaport_outbound::Denied;
use pandaport_upstream::Guard;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// A slice's time. It stops taking up work when its slice is over, and stops sending one HTTP timeout later.
///
/// A frozen process that thaws finds both clocks past the end: it sends nothing. A wall clock that steps ahead ends
/// the slice early, one that steps back is overruled by the monotonic one.
pub(crate) struct Deadline {
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    work_until: Instant,
    send_until: Instant,
    send_until_by_wall: Timestamp,
}

impl Deadline {
    pub(crate) fn new(clock: Arc<dyn Clock>, stop: CancellationToken, slice: Duration, http_timeout: Duration) -> Self {
        let (monotonic, wall) = (clock.monotonic(), clock.now());
        let send_for = slice + http_timeout;
        Self {
            work_until: monotonic + slice,
            send_until: monotonic + send_for,
            send_until_by_wall: wall.saturating_add(send_for).unwrap_or(Timestamp::MAX),
            clock,
            stop,
        }
    }

    /// Whether the process is to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Whether no further piece of work should be taken up.
    pub(crate) fn is_up(&self) -> bool {
        self.is_stopping() || self.clock.monotonic() >= self.work_until || self.clock.now() >= self.send_until_by_wall
    }
}

impl Guard for Deadline {
    fn may_send(&self) -> Result<(), Denied> {
        let over = self.clock.monotonic() >= self.send_until || self.clock.now() >= self.send_until_by_wall;
        if over || self.stop.is_cancelled() { Err(Denied::DeadlinePassed) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Hands(Mutex<(Timestamp, Instant)>);

    impl Hands {
        fn turn(&self, wall: i64, monotonic: u64) {
            let mut hands = self.0.lock().expect("no test panics while turning");
            hands.0 += jiff::SignedDuration::from_secs(wall);
            hands.1 += Duration::from_secs(monotonic);
        }
    }

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            self.0.lock().expect("no test panics while turning").0
        }

        fn monotonic(&self) -> Instant {
            self.0.lock().expect("no test panics while turning").1
        }
    }

    fn deadline() -> (Arc<Hands>, Deadline, CancellationToken) {
        let hands = Arc::new(Hands(Mutex::new((Timestamp::UNIX_EPOCH, Instant::now()))));
        let stop = CancellationToken::new();
        let deadline = Deadline::new(hands.clone(), stop.clone(), Duration::from_secs(30), Duration::from_secs(8));
        (hands, deadline, stop)
    }

    #[test]
    fn rule_7_a_slice_sends_for_one_timeout_longer_than_it_works() {
        let (hands, deadline, _) = deadline();
        hands.turn(31, 31);
        assert!(deadline.is_up() && deadline.may_send().is_ok());
        hands.turn(8, 8);
        assert_eq!(deadline.may_send(), Err(Denied::DeadlinePassed));
    }

    #[test]
    fn rule_7_either_clock_ends_it() {
        let (hands, deadline, _) = deadline();
        hands.turn(3_600, 1);
        assert_eq!(deadline.may_send(), Err(Denied::DeadlinePassed), "the wall clock stepped ahead");
        let (hands, deadline, _) = self::deadline();
        hands.turn(-3_600, 60);
        assert_eq!(deadline.may_send(), Err(Denied::DeadlinePassed), "it stepped back, but time has passed");
    }

    #[test]
    fn a_stopping_process_sends_no_new_batch() {
        let (_, deadline, stop) = deadline();
        stop.cancel();
        assert!(deadline.is_up() && deadline.may_send().is_err());
    }
}
