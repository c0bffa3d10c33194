#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const COLUMN: &str = "serial";

/// A server of the search call, over rows of (record id, value).
#[derive(Clone, Debug)]
struct Server {
    rows: Vec<(String, String)>,
    total: Total,
    /// Most rows it gives, whatever is asked for.
    cap: usize,
    window: usize,
    /// Matches values that merely begin alike.
    loose: bool,
    ignores_from: bool,
    /// How far rows move up between the first page and the others.
    moves: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Total {
    Absent,
    OfMatches,
    OfCollection,
}

impl Server {
    fn holding(values: impl IntoIterator<Item = String>) -> Self {
        let rows = values.into_iter().enumerate();
        Self {
            rows: rows.map(|(n, value)| (format!("R{n}"), value)).collect(),
            total: Total::OfMatches,
            cap: usize::MAX,
            window: usize::MAX,
            loose: false,
            ignores_from: false,
            moves: 0,
        }
    }

    fn matches(&self, asked: &[String], value: &str) -> bool {
        asked.iter().any(|wanted| match self.loose {
            true => value.starts_with(wanted.as_str()),
            false => value == wanted,
        })
    }

    fn answer(&self, request: Request<'_>) -> FoundPage {
        assert!(request.from + request.size <= self.window, "beyond the window: {request:?}");
        let mut matching: Vec<_> = self.rows.iter().filter(|(_, value)| self.matches(request.values, value)).collect();
        if request.from > 0 && self.moves <= matching.len() {
            matching.rotate_right(self.moves);
        }
        let from = if self.ignores_from { 0 } else { request.from };
        let page = matching.iter().skip(from).take(request.size.min(self.cap));
        FoundPage {
            records: page
                .map(|(id, value)| Record {
                    id: id.clone(),
                    values: BTreeMap::from([
                        (COLUMN.to_owned(), json!(value)),
                        ("city".to_owned(), json!("Ulm")),
                        ("other".to_owned(), json!("x")),
                    ]),
                })
                .collect(),
            total: match self.total {
                Total::Absent => None,
                Total::OfMatches => Some(matching.len()),
                Total::OfCollection => Some(self.rows.len()),
            },
        }
    }

    fn search(&self, values: &[String], limits: SearchLimits) -> (SearchOutcome, usize) {
        let mut search = Search::new(COLUMN, values, &["city".to_owned()], limits);
        let mut calls = 0;
        while let Some(request) = search.next() {
            assert!(request.values.len() <= limits.filters);
            calls += 1;
            assert!(calls < 10_000, "the search does not end");
            let page = self.answer(request);
            search.accept(page);
        }
        (search.finish(), calls)
    }
}

fn serials(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("S{n:04}")).collect()
}

fn found(outcome: &SearchOutcome) -> Vec<&str> {
    let mut values: Vec<&str> = outcome.records.iter().map(|record| record.values[COLUMN].as_str().unwrap()).collect();
    values.sort_unstable();
    values
}

#[test]
fn fifty_values_a_call() {
    let server = Server::holding(serials(0..300));
    let wanted = serials(0..120);
    let (outcome, calls) = server.search(&wanted, SearchLimits::default());
    assert_eq!(found(&outcome), wanted);
    assert_eq!((calls, outcome.more.len()), (3, 0));
}

#[test]
fn only_what_was_asked_for_is_kept_of_a_record() {
    let server = Server::holding(serials(0..1));
    let (outcome, _) = server.search(&serials(0..1), SearchLimits::default());
    let keys: Vec<&String> = outcome.records[0].values.keys().collect();
    assert_eq!(keys, ["city", COLUMN]);
}

#[test]
fn blank_and_repeated_values_are_not_looked_for() {
    let server = Server::holding(serials(0..1));
    let wanted = ["", "  ", "S0000", "S0000"].map(str::to_owned);
    let (outcome, calls) = server.search(&wanted, SearchLimits::new(2, 100, 10_000));
    assert_eq!((found(&outcome), calls), (vec!["S0000"], 1));
    let (outcome, calls) = server.search(&["".to_owned()], SearchLimits::default());
    assert_eq!((outcome, calls), (SearchOutcome::default(), 0));
}

#[test]
fn a_full_reply_is_paged_with_and_without_a_total() {
    // Four rows of each value: 200 rows to read in pages of 100.
    let mut server = Server::holding((0..200).map(|n| format!("S{:04}", n % 50)));
    for (total, expected) in [(Total::OfMatches, 3), (Total::Absent, 3)] {
        server.total = total;
        let (outcome, calls) = server.search(&serials(0..50), SearchLimits::default());
        assert_eq!((outcome.records.len(), outcome.more.len(), calls), (200, 0, expected));
    }
}

#[test]
fn a_total_above_the_rows_is_read_on_though_the_page_is_not_full() {
    let mut server = Server::holding(serials(0..50));
    server.cap = 30;
    let (outcome, calls) = server.search(&serials(0..50), SearchLimits::default());
    assert_eq!((found(&outcome), calls), (found_all(&serials(0..50)), 2));
}

fn found_all(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

#[test]
fn a_silent_cut_to_a_smaller_page_overlooks_no_record() {
    let mut server = Server::holding(serials(0..50));
    server.total = Total::Absent;
    for cap in LIKELY_SIZE_CAPS {
        server.cap = *cap;
        let (outcome, _) = server.search(&serials(0..50), SearchLimits::default());
        assert_eq!(outcome.records.len(), 50, "cap {cap}");
    }
    // All fifty answered: nothing can be hidden, and no call is spent on it.
    server.cap = 50;
    assert_eq!(server.search(&serials(0..50), SearchLimits::default()).1, 1);
}

#[test]
fn a_group_beyond_the_window_is_split() {
    // Nine rows of each of four values, and a window of 20.
    let mut server = Server::holding((0..36).map(|n| format!("S{:04}", n % 4)));
    server.window = 20;
    for total in [Total::OfMatches, Total::Absent] {
        server.total = total;
        let (outcome, _) = server.search(&serials(0..4), SearchLimits::new(4, 10, 20));
        assert_eq!((outcome.records.len(), outcome.more.len()), (36, 0), "{total:?}");
    }
}

#[test]
fn pages_end_exactly_at_the_window() {
    let mut server = Server::holding((0..18).map(|n| format!("S{:04}", n % 2)));
    (server.window, server.cap) = (25, 7);
    let (outcome, _) = server.search(&serials(0..2), SearchLimits::new(2, 10, 25));
    assert_eq!((outcome.records.len(), outcome.more.len()), (18, 0));
}

#[test]
fn a_value_with_very_many_records_does_not_hide_the_others() {
    let flood = std::iter::repeat_n("N/A".to_owned(), 15_000);
    let mut server = Server::holding(flood.chain(serials(0..49)));
    server.window = 10_000;
    let mut wanted = serials(0..49);
    wanted.insert(7, "N/A".to_owned());
    for total in [Total::OfMatches, Total::Absent] {
        server.total = total;
        let (outcome, calls) = server.search(&wanted, SearchLimits::default());
        assert_eq!(outcome.more, ["N/A"]);
        assert_eq!(outcome.records.len(), AMBIGUOUS_ROWS + 49);
        assert_eq!(calls, 2, "{total:?}");
    }
}

#[test]
fn a_single_value_beyond_the_window_is_bounded_and_flagged() {
    // Loose matches of one value only; the exact one is out of reach.
    let others = (0..200).map(|n| format!("S1-{n}"));
    let mut server = Server::holding(others.chain(["S1".to_owned()]));
    (server.loose, server.window) = (true, 50);
    for total in [Total::OfMatches, Total::Absent] {
        server.total = total;
        let (outcome, calls) = server.search(&["S1".to_owned()], SearchLimits::new(50, 10, 50));
        assert_eq!(outcome.more, ["S1"]);
        assert_eq!(outcome.records.len(), AMBIGUOUS_ROWS);
        assert!(calls <= 5);
    }
}

#[test]
fn loose_matches_do_not_push_the_true_record_off_the_page() {
    let others = (0..350).map(|n| format!("S1-{n}"));
    let mut server = Server::holding(others.chain(["S1".to_owned()]));
    (server.loose, server.total) = (true, Total::Absent);
    let (outcome, calls) = server.search(&["S1".to_owned()], SearchLimits::default());
    assert!(found(&outcome).contains(&"S1"));
    assert_eq!((calls, outcome.more.len()), (4, 0));
}

#[test]
fn a_server_that_ignores_from_is_split_around() {
    let mut server = Server::holding((0..150).map(|n| format!("S{:04}", n % 50)));
    server.ignores_from = true;
    let (outcome, calls) = server.search(&serials(0..50), SearchLimits::default());
    assert_eq!((outcome.records.len(), outcome.more.len(), calls), (150, 0, 4));
}

#[test]
fn rows_that_move_between_pages_are_not_overlooked() {
    let mut server = Server::holding((0..150).map(|n| format!("S{:04}", n % 50)));
    server.moves = 5;
    for total in [Total::OfMatches, Total::Absent] {
        server.total = total;
        let (outcome, _) = server.search(&serials(0..50), SearchLimits::default());
        assert_eq!((outcome.records.len(), outcome.more.len()), (150, 0), "{total:?}");
    }
}

#[test]
fn a_total_of_the_whole_collection_costs_one_call_and_hides_nothing() {
    let mut server = Server::holding(serials(0..12_000));
    server.total = Total::OfCollection;
    let (outcome, calls) = server.search(&serials(0..40), SearchLimits::default());
    assert_eq!((outcome.records.len(), outcome.more.len(), calls), (40, 0, 2));
}

proptest! {
    /// Every matching record is returned, or its value is listed as having more.
    #[test]
    fn nothing_is_overlooked(
        held in prop::collection::vec(0..12usize, 0..60),
        wanted in prop::collection::vec(0..16usize, 0..16),
        filters in 1..8usize,
        size in 1..12usize,
        pages in 1..6usize,
        total in prop::sample::select(vec![Total::Absent, Total::OfMatches, Total::OfCollection]),
        ignores_from in any::<bool>(),
        loose in any::<bool>(),
        moves in 0..4usize,
    ) {
        // "1" begins "10" and "11" too: loose matching mixes them.
        let mut server = Server::holding(held.iter().map(|n| format!("{}", n + 1)));
        let limits = SearchLimits::new(filters, size, size * pages);
        (server.window, server.total) = (limits.window, total);
        (server.ignores_from, server.loose, server.moves) = (ignores_from, loose, moves);
        let wanted: Vec<String> = wanted.iter().map(|n| format!("{}", n + 1)).collect();

        let (outcome, _) = server.search(&wanted, limits);

        let ids: Vec<&str> = outcome.records.iter().map(|record| record.id.as_str()).collect();
        let distinct: HashSet<&str> = ids.iter().copied().collect();
        prop_assert_eq!(distinct.len(), ids.len(), "a record came twice");
        for (id, value) in &server.rows {
            if wanted.contains(value) && !outcome.more.contains(value) {
                prop_assert!(distinct.contains(id.as_str()), "{} with {} is missing", id, value);
            }
        }
        for value in &outcome.more {
            let few = outcome.records.iter().filter(|record| record.values[COLUMN] == json!(value)).count();
            prop_assert!(wanted.contains(value) && (few <= AMBIGUOUS_ROWS || loose));
        }
    }
}
