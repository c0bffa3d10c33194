//! Whether the process's own loops turn.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What `/livez` answers: whether each loop that promised to beat has done so lately. It never asks a
/// dependency, for a restart does not mend a database. Without any loop, that the answer comes at all
/// is the proof. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Liveness {
    loops: Arc<Mutex<Vec<Loop>>>,
}

#[derive(Debug)]
struct Loop {
    name: &'static str,
    max_age: Duration,
    last_beat: Arc<Mutex<Option<Instant>>>,
}

/// A loop's end of its promise: call [`beat`](Self::beat) once a turn. Dropped, the promise ends.
#[derive(Debug)]
pub struct Heartbeat {
    last_beat: Arc<Mutex<Option<Instant>>>,
}

impl Liveness {
    /// Promises that the loop `name` will beat at least every `max_age`, from now on.
    pub fn promise(&self, name: &'static str, max_age: Duration) -> Heartbeat {
        let last_beat = Arc::new(Mutex::new(Some(Instant::now())));
        self.loops.lock().unwrap_or_else(PoisonError::into_inner).push(Loop {
            name,
            max_age,
            last_beat: Arc::clone(&last_beat),
        });
        Heartbeat { last_beat }
    }

    /// The loops that are overdue at `now`. Empty: alive.
    pub fn overdue(&self, now: Instant) -> Vec<&'static str> {
        let mut loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        let mut overdue = Vec::new();
        loops.retain(|it| {
            let last_beat = *it.last_beat.lock().unwrap_or_else(PoisonError::into_inner);
            match last_beat {
                None => false,
                Some(beat) => {
                    if now.saturating_duration_since(beat) > it.max_age {
                        overdue.push(it.name);
                    }
                    true
                }
            }
        });
        overdue
    }
}

impl Heartbeat {
    /// Says that the loop has turned.
    pub fn beat(&self) {
        self.set(Some(Instant::now()));
    }

    fn set(&self, value: Option<Instant>) {
        *self.last_beat.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_AGE: Duration = Duration::from_secs(10);

    #[test]
    fn a_loop_that_stands_still_is_named_until_it_turns_or_ends() {
        let liveness = Liveness::default();
        let sweep = liveness.promise("sweep", MAX_AGE);
        let begun = Instant::now();
        assert!(liveness.overdue(begun + MAX_AGE / 2).is_empty());
        assert_eq!(liveness.overdue(begun + MAX_AGE * 2), ["sweep"]);

        sweep.beat();
        assert!(liveness.overdue(Instant::now()).is_empty());

        drop(sweep);
        assert!(liveness.overdue(begun + MAX_AGE * 2).is_empty());
    }
}
