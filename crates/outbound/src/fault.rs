//! Tells apart the ways in which a request can fail below HTTP.

use std::error::Error;

use crate::body::Withheld;
use crate::resolve::DnsFault;
use crate::{Effect, ErrorKind, SendError};

/// A failure before or instead of an HTTP status.
pub(crate) fn transport(error: reqwest::Error) -> SendError {
    // The URL goes first: its query must not reach a message.
    let error = error.without_url();
    if let Some(Withheld(denied)) = chain(&error).find_map(|error| error.downcast_ref()) {
        return SendError::denied(denied.clone());
    }
    let before_request = error.is_connect();
    let kind = if found::<DnsFault>(&error) {
        ErrorKind::Dns
    } else if found::<rustls::Error>(&error) {
        ErrorKind::Tls
    } else if before_request {
        ErrorKind::Connect
    } else if error.is_timeout() {
        ErrorKind::Timeout
    } else if error.is_builder() {
        ErrorKind::Refused
    } else if error.is_decode() && !found::<hyper::Error>(&error) {
        // The bytes came, but did not unpack. (With hyper in the chain it was the connection that failed.)
        ErrorKind::Unreadable
    } else {
        ErrorKind::ConnectionLost
    };
    let effect = match before_request || error.is_builder() {
        true => Effect::NotSent,
        false => Effect::Unclear,
    };
    SendError::new(kind, effect, innermost(&error))
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        // An io::Error made from another error keeps it inside, and its `source` skips that one.
        match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

fn found<T: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| error.is::<T>())
}

/// The first cause says most ("Connection refused"); what is around it only repeats that a request failed.
fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}
