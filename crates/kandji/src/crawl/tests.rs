#![allow(clippy::unwrap_used)]
use super::*;

/// Pages of at most five, of these single-letter devices.
struct Fleet(String);

impl Fleet {
    fn offer(&self, crawl: &mut Crawl, offset: u64) -> Taken {
        let chars: Vec<String> = self.0.chars().map(String::from).collect();
        let page: Vec<&str> = chars.iter().skip(offset as usize).take(5).map(String::as_str).collect();
        crawl.accept(offset, &page, None)
    }

    fn next(&self, crawl: &mut Crawl) -> Taken {
        let offset = crawl.wanted()[0];
        self.offer(crawl, offset)
    }
}

fn fleet(ids: &str) -> Fleet {
    Fleet(ids.to_owned())
}

fn begun(ids: &str) -> Crawl {
    let mut crawl = Crawl::new(5, None);
    assert_eq!(fleet(ids).next(&mut crawl), Taken::Fresh { skip: 0 });
    crawl
}

#[test]
fn rule_2_consecutive_pages_overlap_by_one() {
    let fleet = fleet("abcdefghi");
    let mut crawl = begun("abcdefghi");
    assert_eq!(crawl.wanted(), [4]);
    assert_eq!(fleet.next(&mut crawl), Taken::Fresh { skip: 1 });
    assert_eq!((crawl.wanted(), crawl.received()), (vec![8], 9));
    assert_eq!(crawl.state(), CrawlState::Reading);
    assert_eq!(fleet.next(&mut crawl), Taken::End);
    assert_eq!((crawl.state(), crawl.wanted()), (CrawlState::Complete, vec![]));
    assert_eq!(crawl.accept(8, &["i"], None), Taken::Useless);
}

#[test]
fn an_empty_fleet_is_read_at_once() {
    let mut crawl = Crawl::new(5, Some(70));
    assert_eq!(crawl.accept(0, &[], None), Taken::End);
    assert_eq!(crawl.state(), CrawlState::Complete);
}

#[test]
fn one_device_is_followed_by_an_empty_page() {
    let mut crawl = begun("a");
    assert_eq!(crawl.wanted(), [1]);
    assert_eq!(crawl.accept(1, &[], None), Taken::End);
    assert_eq!((crawl.state(), crawl.received()), (CrawlState::Complete, 1));
}

#[test]
fn rule_2_up_to_four_pages_are_asked_for_and_never_past_the_known_size() {
    assert_eq!(Crawl::new(300, None).wanted(), [0]);
    assert_eq!(Crawl::new(300, Some(299)).wanted(), [0]);
    assert_eq!(Crawl::new(300, Some(300)).wanted(), [0, 299]);
    assert_eq!(Crawl::new(300, Some(800)).wanted(), [0, 299, 598]);
    assert_eq!(Crawl::new(300, Some(1_000_000)).wanted(), [0, 299, 598, 897]);

    let mut told = Crawl::new(5, None);
    told.accept(0, &["a", "b", "c", "d", "e"], Some(10));
    assert_eq!(told.wanted(), [4, 8], "a total in the answer is as good");
}

#[test]
fn pages_that_come_early_are_kept_and_taken_in_turn() {
    let fleet = fleet("abcdefghijk");
    let mut crawl = Crawl::new(5, Some(11));
    assert_eq!(crawl.wanted(), [0, 4, 8]);
    assert_eq!(fleet.offer(&mut crawl, 8), Taken::Early);
    assert_eq!(fleet.offer(&mut crawl, 4), Taken::Early);
    assert_eq!(fleet.offer(&mut crawl, 12), Taken::Useless);
    assert_eq!(fleet.offer(&mut crawl, 0), Taken::Fresh { skip: 0 });
    assert_eq!(fleet.offer(&mut crawl, 8), Taken::Early);
    assert_eq!(fleet.offer(&mut crawl, 4), Taken::Fresh { skip: 1 });
    assert_eq!(fleet.offer(&mut crawl, 8), Taken::Fresh { skip: 1 });
    assert_eq!(fleet.offer(&mut crawl, 10), Taken::End);
    assert_eq!(crawl.received(), 11);
}

#[test]
fn pages_read_ahead_are_useless_where_the_server_gives_less_than_asked() {
    let mut crawl = Crawl::new(300, Some(1_000));
    crawl.accept(0, &["a", "b", "c"], None);
    assert_eq!(crawl.wanted(), [2, 4, 6, 8]);
    assert_eq!(crawl.accept(299, &["x"], None), Taken::Useless);
}

#[test]
fn rule_2_devices_that_go_before_the_cursor_make_it_step_back() {
    let mut crawl = begun("abcdefghijk");
    let after = fleet("acdefghijk"); // b went: the page at 4 begins with f
    assert_eq!(after.next(&mut crawl), Taken::Shifted);
    assert_eq!(crawl.wanted(), [0]);
    assert_eq!(after.next(&mut crawl), Taken::Fresh { skip: 4 });
    assert_eq!(after.next(&mut crawl), Taken::Fresh { skip: 1 });
    assert_eq!(after.next(&mut crawl), Taken::Fresh { skip: 1 });
    assert_eq!(after.next(&mut crawl), Taken::End);
    assert_eq!((crawl.state(), crawl.received()), (CrawlState::Complete, 11));
}

#[test]
fn rule_2_the_last_device_of_a_page_may_go_itself() {
    let mut crawl = begun("abcdefg");
    let after = fleet("abcdfg");
    assert_eq!(after.next(&mut crawl), Taken::Shifted);
    assert_eq!(after.next(&mut crawl), Taken::Fresh { skip: 4 });
    assert_eq!(after.next(&mut crawl), Taken::Fresh { skip: 1 });
    assert_eq!(after.next(&mut crawl), Taken::End);
    assert_eq!(crawl.state(), CrawlState::Complete);
}

#[test]
fn rule_2_an_empty_page_where_an_overlap_was_due_is_a_shift() {
    let mut crawl = begun("abcde");
    let after = fleet("ab");
    assert_eq!(after.next(&mut crawl), Taken::Shifted);
    assert_eq!(after.next(&mut crawl), Taken::Fresh { skip: 2 });
    assert_eq!(after.next(&mut crawl), Taken::End);
    assert_eq!(crawl.state(), CrawlState::Complete);
}

#[test]
fn a_fleet_that_vanishes_while_it_is_read_is_an_empty_one() {
    let mut crawl = begun("abcde");
    let after = fleet("");
    assert_eq!(after.next(&mut crawl), Taken::Shifted);
    assert_eq!(after.next(&mut crawl), Taken::End);
    assert_eq!(crawl.state(), CrawlState::Complete);
}

#[test]
fn rule_2_devices_that_come_before_the_cursor_cost_no_further_read() {
    let mut crawl = begun("abcdefg");
    let after = fleet("aABbcdefg"); // the page at 4 now begins with c, which the last page holds
    assert_eq!(after.next(&mut crawl), Taken::Fresh { skip: 3 });
    assert_eq!(after.next(&mut crawl), Taken::End);
    assert_eq!((crawl.state(), crawl.received()), (CrawlState::Complete, 7));
}

#[test]
fn a_newcomer_in_front_of_known_devices_is_delivered() {
    let mut crawl = begun("abcdefg");
    assert_eq!(fleet("abCDEcdefg").next(&mut crawl), Taken::Fresh { skip: 0 });
    assert_eq!(crawl.wanted(), [8]);
}

#[test]
fn whole_pages_that_went_are_found_further_up() {
    let before: String = ('A'..='Z').collect();
    let mut crawl = Crawl::new(5, None);
    for _ in 0..4 {
        fleet(&before).next(&mut crawl); // A to Q
    }
    let after = fleet(&before[9..]); // A to I went: the last page, M to Q, is now at 3
    assert_eq!(crawl.wanted(), [16]);
    assert_eq!(after.next(&mut crawl), Taken::Shifted);
    assert_eq!(crawl.wanted(), [12]);
    assert_eq!(after.next(&mut crawl), Taken::Shifted);
    assert_eq!(crawl.wanted(), [7]);
    assert_eq!(after.next(&mut crawl), Taken::Fresh { skip: 1 });
    while after.next(&mut crawl) != Taken::End {}
    assert_eq!(crawl.state(), CrawlState::Complete);
}

#[test]
fn a_read_that_finds_nothing_it_knows_begins_anew() {
    let mut crawl = Crawl::new(5, None);
    let ids: Vec<String> = (0..100).map(|number| format!("old{number:03}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    while crawl.wanted()[0] < 80 {
        let offset = crawl.wanted()[0];
        crawl.accept(offset, &ids[offset as usize..offset as usize + 5], None);
    }
    // The whole fleet is exchanged.
    let asked: Vec<u64> = std::iter::from_fn(|| {
        let offset = crawl.wanted()[0];
        let page = [format!("new{offset}a"), format!("new{offset}b")];
        (crawl.accept(offset, &[&page[0], &page[1]], None) == Taken::Shifted).then(|| crawl.wanted()[0])
    })
    .collect();
    assert_eq!(asked, [76, 71, 66, 61, 0]);
    assert_eq!(crawl.wanted(), [1], "and the page at the beginning was taken");
}

#[test]
fn rule_2_after_five_steps_back_the_read_is_incomplete_but_goes_on() {
    let mut ids: Vec<String> = (0..60).map(|number| format!("{number:02}")).collect();
    let mut crawl = Crawl::new(5, None);
    let (mut delivered, mut shifts) = (HashSet::new(), 0);
    while crawl.state() == CrawlState::Reading {
        let offset = crawl.wanted()[0];
        let page: Vec<&str> = ids.iter().skip(offset as usize).take(5).map(String::as_str).collect();
        match crawl.accept(offset, &page, None) {
            Taken::Fresh { skip } => {
                delivered.extend(page[skip..].iter().map(|id| (*id).to_owned()));
                ids.remove(0); // and one goes after each page
            }
            Taken::Shifted => shifts += 1,
            other => assert_eq!(other, Taken::End),
        }
    }
    assert_eq!(shifts, 5);
    let CrawlState::Incomplete { reason } = crawl.state() else { panic!("{:?}", crawl.state()) };
    assert!(reason.contains("more than 5 times"), "{reason}");
    assert!(delivered.contains("59"), "the end of the fleet is read all the same");
}

#[test]
fn a_server_that_says_the_same_whatever_it_is_asked_ends_incomplete() {
    let mut crawl = Crawl::new(5, None);
    let mut reads = 0;
    while crawl.state() == CrawlState::Reading {
        let offset = crawl.wanted()[0];
        crawl.accept(offset, &["a", "b", "c", "d", "e"], None);
        reads += 1;
    }
    assert!(matches!(crawl.state(), CrawlState::Incomplete { .. }));
    assert!(reads < 20, "{reads}");
}

#[test]
fn a_page_that_is_repeated_once_is_survived() {
    let fleet = fleet("abcdefghijklm");
    let mut crawl = begun("abcdefghijklm");
    let mut delivered = 5;
    assert_eq!(crawl.accept(4, &["a", "b", "c", "d", "e"], None), Taken::Fresh { skip: 5 });
    loop {
        match fleet.next(&mut crawl) {
            Taken::Fresh { .. } | Taken::Shifted => {}
            taken => break assert_eq!(taken, Taken::End),
        }
        delivered = delivered.max(crawl.received());
    }
    assert_eq!((crawl.state(), delivered), (CrawlState::Complete, 13));
}

#[test]
fn a_list_that_ends_before_the_total_is_incomplete() {
    let mut crawl = Crawl::new(5, None);
    crawl.accept(0, &["a", "b"], Some(40));
    assert_eq!(crawl.accept(1, &["b"], Some(40)), Taken::End);
    let CrawlState::Incomplete { reason } = crawl.state() else { panic!() };
    assert!(reason.contains("40") && reason.contains("after 2"), "{reason}");

    let mut empty = Crawl::new(5, None);
    empty.accept(0, &[], Some(40));
    assert!(matches!(empty.state(), CrawlState::Incomplete { .. }));
}

#[test]
fn the_checkpoint_holds_the_last_page_and_little_more() {
    let mut crawl = Crawl::new(300, Some(100_000));
    let ids: Vec<String> = (0..100_000).map(|number| format!("{number:036}")).collect();
    let mut last_size = 0;
    for _ in 0..50 {
        let offset = crawl.wanted()[0] as usize;
        let page: Vec<&str> = ids[offset..offset + 300].iter().map(String::as_str).collect();
        crawl.accept(offset as u64, &page, None);
        let checkpoint = serde_json::to_string(&crawl).unwrap();
        assert_eq!(serde_json::from_str::<Crawl>(&checkpoint).unwrap(), crawl);
        last_size = checkpoint.len();
    }
    assert!(last_size < 300 * 40 + 400, "{last_size} bytes");
}
