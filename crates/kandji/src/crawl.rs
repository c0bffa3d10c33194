//! When a read of the whole fleet is complete (rule 2), as a state machine without I/O.
//!
//! The list is paged by offset over a live table: a device that goes before the cursor makes the next page skip one, a
//! device that comes makes it repeat one. So pages overlap by one device, and a page counts as the next one only if it
//! holds a device of the page before. That is enough: the list is ordered by a key that never changes, so whatever
//! stands behind a device of the last page, up to the end of the new one, stands in the new one, whenever it was taken.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

/// Devices that may come before the cursor while a fleet is read: the next read has them. A larger gap is a page that was
/// never seen.
const MOST_ARRIVALS: u64 = 50;

/// How often a read steps back before it counts as incomplete (rule 2).
const MOST_STEPS_BACK: u32 = 5;
/// The page that is needed next and those read ahead (rule 2).
const MOST_PAGES_ASKED: u64 = 4;

/// A read of the whole fleet, page by page. Its serialised form is the checkpoint.
///
/// Ask for the offsets of [`wanted`](Self::wanted), give each page that comes to [`accept`](Self::accept), and do as it
/// says, until [`state`](Self::state) is final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crawl {
    limit: u32,
    /// Last known size of the fleet: from the read before, or as the API told.
    size: Option<u64>,
    /// Offset of the page that is needed next.
    next: u64,
    last: Option<LastPage>,
    /// Length of the longest page so far: what the server gives where there is more.
    longest: u64,
    /// Steps back in the whole read.
    steps_back: u32,
    /// Steps back since a page last joined: more than none means that the place is lost.
    lost: u32,
    /// The largest `next` so far.
    furthest: u64,
    received: u64,
    /// Why the read cannot count as complete any more. It goes on to its end all the same.
    flaw: Option<String>,
    ended: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LastPage {
    offset: u64,
    /// How many were on it.
    #[serde(default)]
    length: u64,
    /// Who was on it; behind a page that is not full, who was on the one before it as well: of a few devices all may go.
    ids: Vec<String>,
}

/// Where a read stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrawlState {
    /// More pages are needed.
    Reading,
    /// Every device that was there all the while was delivered.
    Complete,
    /// The read is over, but may have missed devices: it counts for no removal.
    Incomplete {
        /// Why, for an operator.
        reason: String,
    },
}

/// What to do with a page that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Its turn: take its entries from `skip` on. Where the fleet shifted, some of them may have been taken before.
    Fresh {
        /// Leading entries that were taken with the page before.
        skip: usize,
    },
    /// Not yet its turn: keep it, and offer it again after the next one.
    Early,
    /// Drop it: it has no place any more.
    Useless,
    /// The fleet shifted: drop it and ask for what is [`wanted`](Crawl::wanted) now.
    Shifted,
    /// The end of the list; nothing new is in it. [`state`](Crawl::state) is final now.
    End,
}

impl Crawl {
    /// A read from the beginning. `limit` is the page size asked for; `last_known_size` the size of the fleet at the last
    /// read, without which nothing is read ahead until the API tells a total.
    pub fn new(limit: u32, last_known_size: Option<u64>) -> Self {
        Self {
            limit: limit.max(2), // an overlap needs room
            size: last_known_size,
            next: 0,
            last: None,
            longest: 0,
            steps_back: 0,
            lost: 0,
            furthest: 0,
            received: 0,
            flaw: None,
            ended: false,
        }
    }

    /// The page size to ask for.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Where the read stands.
    pub fn state(&self) -> CrawlState {
        match &self.flaw {
            _ if !self.ended => CrawlState::Reading,
            None => CrawlState::Complete,
            Some(reason) => CrawlState::Incomplete { reason: reason.clone() },
        }
    }

    /// Entries taken so far, overlaps not counted. After a step back some may be counted twice.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Offsets that may be asked for now: the one needed next, then those to read ahead. At most four, and none but the
    /// first at or past the known size of the fleet. Empty when the read is over.
    pub fn wanted(&self) -> Vec<u64> {
        if self.ended {
            return Vec::new();
        }
        let length = match &self.last {
            None => u64::from(self.limit),
            Some(last) => last.length,
        };
        // A page shorter than others is likely the last one, and where the place is lost nothing ahead is known.
        if self.lost > 0 || length < self.longest.max(2) {
            return vec![self.next];
        }
        let ahead = (1..MOST_PAGES_ASKED).map(|page| self.next + page * (length - 1));
        let known = self.size.unwrap_or(0);
        std::iter::once(self.next).chain(ahead.take_while(|offset| *offset < known)).collect()
    }

    /// Takes the page at this offset: the identities of all its entries, in order, and the total if one was told.
    pub fn accept(&mut self, offset: u64, ids: &[&str], total: Option<u64>) -> Taken {
        if self.ended {
            return Taken::Useless;
        }
        if offset != self.next {
            return if self.wanted().contains(&offset) { Taken::Early } else { Taken::Useless };
        }
        self.size = total.or(self.size);

        let Some(last) = &self.last else {
            return if ids.is_empty() { self.end(offset, ids, total) } else { self.take(offset, ids, 0) };
        };
        let seen: HashSet<&str> = last.ids.iter().map(String::as_str).collect();
        let overlap_due = last.length > 1;
        let joins = match ids {
            // At the very beginning nothing can have been skipped: an empty page there is an empty fleet.
            [] => !overlap_due || offset == 0,
            _ => !overlap_due || offset == 0 || ids.iter().any(|id| seen.contains(id)),
        };
        let only_the_overlap = overlap_due && ids.len() == 1 && last.ids.last().is_some_and(|id| id == ids[0]);
        let skip = ids.iter().take_while(|id| seen.contains(*id)).count();
        let nothing_new = skip == ids.len();

        if !joins && self.flaw.is_none() {
            if self.step_back() {
                return Taken::Shifted;
            }
            if self.lost > 0 {
                // Out of steps while the place is lost: on from the furthest place that was reached.
                self.lost = 0;
                self.next = self.furthest;
                return Taken::Shifted;
            }
        }
        if ids.is_empty() || only_the_overlap {
            return self.end(offset, ids, total);
        }
        if nothing_new && self.lost == 0 {
            // A page moved up by new devices before it; or a server that says the same whatever it is asked.
            if self.flaw.is_some() {
                return self.end(offset, ids, total);
            }
            self.count_step();
        }
        self.take(offset, ids, skip)
    }

    fn take(&mut self, offset: u64, ids: &[&str], skip: usize) -> Taken {
        let length = ids.len() as u64;
        self.received += length - skip as u64;
        self.longest = self.longest.max(length);
        let mut known: Vec<String> = match self.last.take() {
            Some(before) if length < self.longest => before.ids,
            _ => Vec::new(),
        };
        known.extend(ids.iter().map(|id| (*id).to_owned()));
        let most = usize::try_from(2 * self.longest).unwrap_or(usize::MAX);
        known.drain(..known.len().saturating_sub(most));
        self.last = Some(LastPage { offset, length, ids: known });
        // The overlap is one device; after a page of one there is none, or the read would stand still.
        self.next = offset + (length - 1).max(1);
        self.furthest = self.furthest.max(self.next);
        self.lost = 0;
        Taken::Fresh { skip }
    }

    fn end(&mut self, offset: u64, ids: &[&str], total: Option<u64>) -> Taken {
        let listed = offset + ids.len() as u64;
        let missed = listed.saturating_sub(self.received);
        if missed > MOST_ARRIVALS && self.flaw.is_none() {
            self.flaw = Some(format!(
                "Kandji lists {listed} devices, of which {missed} were on no page that was read: a page was answered with \
                 another one's content"
            ));
        }
        if let Some(total) = total.filter(|total| *total > listed)
            && self.flaw.is_none()
        {
            self.flaw = Some(format!("Kandji counts {total} devices, but its list ends after {listed}"));
        }
        self.ended = true;
        Taken::End
    }

    /// Goes back to where a device of the last page may be now. False if that was done too often.
    fn step_back(&mut self) -> bool {
        if !self.count_step() {
            return false;
        }
        self.lost += 1;
        let last = self.last.as_ref().map_or(0, |last| last.offset);
        // Where a few devices went, the last page's own place still holds most of them. Where a whole page or more went,
        // they are found further up, page by page; the last try begins anew, which misses nothing.
        self.next = match self.lost {
            MOST_STEPS_BACK => 0,
            steps => last.saturating_sub(u64::from(steps - 1) * self.longest),
        };
        true
    }

    fn count_step(&mut self) -> bool {
        if self.steps_back == MOST_STEPS_BACK {
            self.flaw = Some(format!(
                "the fleet kept changing while it was read: pages did not join more than {MOST_STEPS_BACK} times"
            ));
            return false;
        }
        self.steps_back += 1;
        true
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
