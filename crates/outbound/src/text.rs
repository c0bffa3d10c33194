//! Bodies as texts: without the one character that no text has, and, of errors, what they say in whichever of their many
//! shapes.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memmem;
use serde_json::Value;

const LONGEST_EXCERPT: usize = 200;
const LONGEST_MESSAGE: usize = 500;
const MOST_PARTS: usize = 5;

/// U+0000 as JSON writes it. (As it is, it stands in no JSON.)
const NUL: &[u8] = b"\\u0000";

/// A JSON body without the character U+0000. It means nothing in a text, and is seen nowhere: some tool has filled up a field
/// with it, or ended a text by it. PostgreSQL takes no text with it, and to a person "Mac" with one and without are the same:
/// so nothing behind this ever sees one, whatever the database.
pub(crate) fn without_nul(body: Bytes) -> Bytes {
    match strip_nul(&body) {
        Cow::Borrowed(_) => body,
        Cow::Owned(stripped) => stripped.into(),
    }
}

fn strip_nul(body: &[u8]) -> Cow<'_, [u8]> {
    let mut stripped = Vec::new();
    let mut kept = 0;
    for at in memmem::find_iter(body, NUL) {
        // Behind an odd number of backslashes it is the text "\u0000", written out by somebody.
        let backslashes = body[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes.is_multiple_of(2) {
            stripped.extend_from_slice(&body[kept..at]);
            kept = at + NUL.len();
        }
    }
    if kept == 0 {
        return Cow::Borrowed(body);
    }
    stripped.extend_from_slice(&body[kept..]);
    Cow::Owned(stripped)
}

/// The text in `detail`, `message`, `error` or `errors`, a bare string, a list, `{"field": ["msg"]}`, or the first 200
/// characters of anything else.
pub(crate) fn said(body: &[u8]) -> String {
    match serde_json::from_slice::<Value>(body).ok().and_then(|value| pick(&value)) {
        Some(text) => shorten(&text, LONGEST_MESSAGE),
        None => excerpt(body),
    }
}

/// A message of our own that may quote a body: on one line, and of a length fit for a log.
pub(crate) fn tidy(message: &str) -> String {
    shorten(message, LONGEST_MESSAGE)
}

/// The first 200 characters on one line.
pub(crate) fn excerpt(body: &[u8]) -> String {
    // Bytes beyond what 200 characters can take are never looked at.
    let start = &body[..body.len().min(8 * LONGEST_EXCERPT)];
    shorten(&String::from_utf8_lossy(start), LONGEST_EXCERPT)
}

/// Whether a body is a web page, as a web app, a proxy or a gateway answers.
pub(crate) fn is_html(content_type: Option<&str>, body: &[u8]) -> bool {
    content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
        || body.trim_ascii_start().starts_with(b"<")
}

fn pick(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Array(items) => join(items.iter().filter_map(pick)),
        Value::Object(fields) => {
            let named = ["detail", "message", "error", "errors"].iter().filter_map(|key| pick(fields.get(*key)?));
            join(named).or_else(|| {
                join(fields.iter().filter_map(|(key, value)| match value {
                    Value::Object(_) => None,
                    _ => Some(format!("{key}: {}", pick(value)?)),
                }))
            })
        }
        _ => None,
    }
}

fn join(parts: impl Iterator<Item = String>) -> Option<String> {
    let mut parts: Vec<String> = parts.take(MOST_PARTS).collect();
    parts.dedup();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// One line of at most this many characters.
fn shorten(text: &str, longest: usize) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(longest) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::detail(r#"{"detail":"Invalid token."}"#, "Invalid token.")]
    #[case::gateway(r#"{"message":"no Route matched","request_id":"0f"}"#, "no Route matched")]
    #[case::error(r#"{"error":"Unauthorized"}"#, "Unauthorized")]
    #[case::error_object(r#"{"error":{"message":"bad key","code":3}}"#, "bad key")]
    #[case::message_and_errors(r#"{"message":"Refused","errors":["a","b"]}"#, "Refused; a; b")]
    #[case::list(r#"["Device is not in lost mode."]"#, "Device is not in lost mode.")]
    #[case::bare_string(r#""This device is already locked.""#, "This device is already locked.")]
    #[case::field(r#"{"dep_account":["Enter a valid UUID."]}"#, "dep_account: Enter a valid UUID.")]
    #[case::no_text(r#"{"code": 7}"#, r#"{"code": 7}"#)]
    #[case::empty("", "")]
    #[case::html("<html>\n <h1>502 Bad\u{7}Gateway</h1>", "<html> <h1>502 Bad Gateway</h1>")]
    fn every_shape(#[case] body: &str, #[case] expected: &str) {
        assert_eq!(said(body.as_bytes()), expected);
    }

    #[rstest]
    #[case::none(r#"{"a":"b"}"#, r#"{"a":"b"}"#)]
    #[case::in_the_middle(r#"{"a":"b\u0000c"}"#, r#"{"a":"bc"}"#)]
    #[case::several(r#"["\u0000\u0000a\u0000","\u0000"]"#, r#"["a",""]"#)]
    #[case::written_out(r#"["a\\u0000"]"#, r#"["a\\u0000"]"#)]
    #[case::behind_a_backslash(r#"["a\\\u0000"]"#, r#"["a\\"]"#)]
    #[case::another_character(r#"["\u00001","\u0001"]"#, r#"["1","\u0001"]"#)]
    fn no_text_holds_the_character_nul(#[case] body: &'static str, #[case] expected: &str) {
        assert_eq!(without_nul(Bytes::from_static(body.as_bytes())), expected);
    }

    #[test]
    fn long_bodies_are_cut_at_a_character() {
        let page = "ü".repeat(5_000);
        assert_eq!(said(page.as_bytes()), format!("{}…", "ü".repeat(200)));
        assert_eq!(said(format!("\"{page}\"").as_bytes()).chars().count(), 501);
        assert!(said(&[0xff; 9]).starts_with('\u{fffd}'));
    }

    #[test]
    fn web_pages_are_known_by_type_or_look() {
        assert!(is_html(Some("Text/HTML; charset=utf-8"), b""));
        assert!(is_html(Some("application/json"), b"\n <!doctype html>"));
        assert!(!is_html(Some("application/json"), b"[]"));
    }
}
