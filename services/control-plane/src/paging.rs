//! Pages of a list. A page token is opaque to callers; inside it names the last row of the page before,
//! and the request that it belongs to, so that a token of another list or filter is refused instead of
//! giving wrong rows.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::limits::{MAX_PAGE_SIZE, MAX_PAGE_TOKEN, PAGE_SIZE};
use crate::validate::Violations;

const VERSION: u8 = 1;
const FILTER_BYTES: usize = 8;

/// The page that a caller asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The most rows to return.
    pub(crate) size: u32,
    /// The key of the last row of the page before, as it was given to [`Page::token`].
    pub(crate) after: Option<String>,
    filter: [u8; FILTER_BYTES],
}

impl Page {
    /// Reads page_size and page_token of a request. `list` names the RPC, and `filter` is the request
    /// with both of these fields cleared: the token holds for it alone.
    pub(crate) fn read(violations: &mut Violations, list: &str, filter: &impl Message, size: u32, token: &str) -> Page {
        let filter = fingerprint(list, filter);
        let after = if token.is_empty() {
            None
        } else {
            let after = open(token, filter);
            if after.is_none() {
                violations.malformed(
                    "page_token",
                    "This token is not from this list with these filters. Start again without a token.",
                );
            }
            after
        };
        Page {
            size: match size {
                0 => PAGE_SIZE,
                size => size.min(MAX_PAGE_SIZE),
            },
            after,
            filter,
        }
    }

    /// The same for lists that are keyed by an id of ours.
    pub(crate) fn after_id(&self) -> Option<Uuid> {
        self.after.as_deref().and_then(|after| after.parse().ok())
    }

    /// How many rows to read: one more than asked for, which says whether there is a next page.
    pub(crate) fn rows_to_read(&self) -> u32 {
        self.size + 1
    }

    /// Cuts the extra row off and gives the token of the next page, empty if this is the last.
    pub(crate) fn cut<T>(&self, rows: &mut Vec<T>, key: impl Fn(&T) -> String) -> String {
        if rows.len() <= self.size as usize {
            return String::new();
        }
        rows.truncate(self.size as usize);
        rows.last().map(|row| self.token(&key(row))).unwrap_or_default()
    }

    fn token(&self, last: &str) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.filter);
        bytes.extend_from_slice(last.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn fingerprint(list: &str, filter: &impl Message) -> [u8; FILTER_BYTES] {
    let mut hash = Sha256::new();
    hash.update(list.as_bytes());
    hash.update([0]);
    hash.update(filter.encode_to_vec());
    let mut short = [0; FILTER_BYTES];
    short.copy_from_slice(&hash.finalize()[..FILTER_BYTES]);
    short
}

fn open(token: &str, filter: [u8; FILTER_BYTES]) -> Option<String> {
    if token.len() > MAX_PAGE_TOKEN {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (of, last) = rest.split_at_checked(FILTER_BYTES)?;
    if *version != VERSION || of != filter {
        return None;
    }
    // No key of a row holds U+0000, and PostgreSQL takes no text with it.
    String::from_utf8(last.to_vec()).ok().filter(|last| !last.contains('\0'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pandaport_api::v1::ListSyncsRequest;

    use super::*;

    fn of_mapping(mapping_id: &str) -> ListSyncsRequest {
        ListSyncsRequest { mapping_id: mapping_id.into(), ..Default::default() }
    }

    fn page(list: &str, filter: &ListSyncsRequest, size: u32, token: &str) -> (Page, bool) {
        let mut violations = Violations::default();
        let page = Page::read(&mut violations, list, filter, size, token);
        (page, violations.is_empty())
    }

    #[test]
    fn sizes_default_to_100_and_end_at_1000() {
        let filter = of_mapping("a");
        assert_eq!(page("ListSyncs", &filter, 0, "").0.size, 100);
        assert_eq!(page("ListSyncs", &filter, 7, "").0.size, 7);
        assert_eq!(page("ListSyncs", &filter, 5_000, "").0.size, 1_000);
    }

    #[test]
    fn a_token_leads_on_from_the_last_row_and_the_last_page_has_none() {
        let filter = of_mapping("a");
        let (first, _) = page("ListSyncs", &filter, 2, "");
        let mut rows = vec!["1", "2", "3"];
        let token = first.cut(&mut rows, |row| (*row).to_owned());
        assert_eq!(rows, ["1", "2"]);

        let (second, fine) = page("ListSyncs", &filter, 2, &token);
        assert!(fine);
        assert_eq!(second.after.as_deref(), Some("2"));
        let mut rows = vec!["3", "4"];
        assert_eq!(second.cut(&mut rows, |row| (*row).to_owned()), "");
        assert_eq!(rows, ["3", "4"]);
    }

    #[test]
    fn a_token_of_another_list_another_filter_or_of_nobody_is_refused() {
        let (first, _) = page("ListSyncs", &of_mapping("a"), 1, "");
        let token = first.cut(&mut vec!["1", "2"], |row| (*row).to_owned());
        assert!(!page("ListSyncs", &of_mapping("b"), 1, &token).1);
        assert!(!page("ListMappings", &of_mapping("a"), 1, &token).1);
        assert!(!page("ListSyncs", &of_mapping("a"), 1, "made up").1);
        assert!(!page("ListSyncs", &of_mapping("a"), 1, "AQ").1);
        assert!(page("ListSyncs", &of_mapping("a"), 50, &token).1);
    }
}
