#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;

#[test]
fn unknown_switches_are_refused_with_their_path() {
    let path = |text: &str| match Faults::parse(text).unwrap_err() {
        FaultError::Unknown { path, .. } | FaultError::Unfit { path, .. } => path,
        FaultError::NotJson(text) => text,
    };
    assert_eq!(path(r#"{"kanji":{}}"#), "kanji");
    assert_eq!(path(r#"{"kandji":{"hangs":true}}"#), "kandji.hangs");
    assert_eq!(path(r#"{"kandji":{"hang":{"evry":2}}}"#), "kandji.hang.evry");
    assert_eq!(path(r#"{"kandji":{"hang":{"on":"lunch"}}}"#), "kandji.hang.on");
    assert_eq!(path(r#"{"kandji":{"latency_ms":"1s"}}"#), "kandji.latency_ms");
    assert_eq!(
        path(r#"{"asset_panda":{"refuse_rows":[{"column":"a"},{"colum":"b"}]}}"#),
        "asset_panda.refuse_rows[1].colum"
    );
    assert_eq!(path(r#"{"asset_panda":{"lost_answer":{"answer":"never"}}}"#), "asset_panda.lost_answer.answer");
}

#[test]
fn what_is_read_back_can_be_put_again() {
    let faults = Faults::parse(
        r#"{"kandji":{"hang":true,"rate_limit":{"per_second":3},"status_burst":{"status":502,"retry_after":"date"}},
            "asset_panda":{"rate_limit":false,"lost_answer":{"every":3,"on":"create","answer":"500"},
                           "refuse_rows":[{"column":"Model","value":7}]}}"#,
    )
    .unwrap();
    assert_eq!(faults.kandji.rate_limit.as_ref().unwrap().per_hour, 10_000);
    assert_eq!(faults.asset_panda.rate_limit, None);
    let text = serde_json::to_string(&faults).unwrap();
    assert_eq!(Faults::parse(&text).unwrap(), faults);
}

#[test]
fn a_patch_leaves_the_rest_alone_and_restarts_only_what_it_names() {
    let faults = FaultBox::new(Faults::default());
    faults.patch(json!({"kandji": {"html_every": 2, "truncate_every": 2}})).unwrap();
    let every = Some(2);
    assert!(!faults.strikes_every("kandji.html_every", every));
    assert!(!faults.strikes_every("kandji.truncate_every", every));
    faults.patch(json!({"kandji": {"html_every": 2}})).unwrap();
    assert!(!faults.strikes_every("kandji.html_every", every));
    assert!(faults.strikes_every("kandji.truncate_every", every));
    assert_eq!(faults.now().kandji.truncate_every, Some(2));
    assert!(faults.patch(json!({"kandji": {"page_cap": 5, "nope": 1}})).is_err());
    assert_eq!(faults.now().kandji.page_cap, None, "a refused patch sets nothing");
}
