//! A client certificate, once the handshake has shown that it is of the client authority and its holder has the key.

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use crate::claims::is_name;
use crate::error::NotProven;

const SPIFFE: &str = "spiffe://";

/// Whom a client certificate names, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    name: Result<String, NotProven>,
    not_after: Timestamp,
}

impl Certificate {
    /// Reads a certificate that the handshake took.
    pub(crate) fn of(der: &[u8]) -> Self {
        let unreadable = NotProven::CertificateName("it can't be read");
        match X509Certificate::from_der(der) {
            Ok((_, certificate)) => Self {
                name: name(&certificate).map_err(NotProven::CertificateName),
                not_after: Timestamp::from_second(certificate.validity().not_after.timestamp())
                    .unwrap_or(Timestamp::MAX),
            },
            Err(_) => Self { name: Err(unreadable), not_after: Timestamp::MAX },
        }
    }

    /// The name of its holder: a SPIFFE id, or `CN=` and the common name. A connection may outlive the certificate that it
    /// was made with, so its end is asked for at each call.
    pub(crate) fn check(&self, now: Timestamp) -> Result<String, NotProven> {
        if now > self.not_after {
            return Err(NotProven::CertificateExpired(self.not_after));
        }
        self.name.clone()
    }

    pub(crate) fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

/// An authority that lets its clients choose their common name must not thereby let them choose a SPIFFE id: the two never
/// look alike.
fn name(certificate: &X509Certificate<'_>) -> Result<String, &'static str> {
    let names = certificate.subject_alternative_name().map_err(|_| "its alternative names can't be read")?;
    let names = names.map(|it| it.value.general_names.as_slice()).unwrap_or_default();
    let uris: Vec<&str> = names
        .iter()
        .filter_map(|it| match it {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect();
    if uris.iter().any(|uri| uri.starts_with(SPIFFE)) {
        return match uris.as_slice() {
            [uri] if is_name(uri) => Ok((*uri).to_owned()),
            [_] => Err("its SPIFFE id is too long"),
            _ => Err("beside its SPIFFE id it has another URI"),
        };
    }
    let common: Vec<_> = certificate.subject().iter_common_name().collect();
    match common.as_slice() {
        [] => Err("it has neither a SPIFFE id nor a common name"),
        [one] => match one.as_str() {
            Ok(text) if is_name(text) => Ok(format!("CN={text}")),
            _ => Err("its common name is empty, too long or no plain text"),
        },
        _ => Err("it has more than one common name"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pandaport_test_identity::{Authority, Subject};

    use super::*;

    fn named(subject: &Subject<'_>) -> Result<String, NotProven> {
        Certificate::of(&Authority::new("clients").client(subject).der).check(Timestamp::now())
    }

    #[test]
    fn a_spiffe_id_comes_before_the_common_name_and_neither_can_pass_for_the_other() {
        let id = "spiffe://example.org/ns/ops/sa/pandaport";
        let both = Subject { common_name: Some("backup"), uris: &[id] };
        assert_eq!(named(&both).as_deref(), Ok(id));
        let common = Subject { common_name: Some("backup"), ..Subject::default() };
        assert_eq!(named(&common).as_deref(), Ok("CN=backup"));
        let other_uri = Subject { common_name: Some("backup"), uris: &["https://example.org"] };
        assert_eq!(named(&other_uri).as_deref(), Ok("CN=backup"));
        let in_disguise = Subject { common_name: Some(id), ..Subject::default() };
        assert_eq!(named(&in_disguise), Ok(format!("CN={id}")));
    }

    #[test]
    fn a_certificate_that_names_nobody_or_two_is_refused() {
        let two = Subject { uris: &["spiffe://example.org/a", "spiffe://example.org/b"], ..Subject::default() };
        for (subject, said) in [
            (Subject::default(), "neither a SPIFFE id nor a common name"),
            (two, "another URI"),
            (Subject { common_name: Some(""), ..Subject::default() }, "empty"),
        ] {
            let error = named(&subject).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(Certificate::of(b"no certificate").check(Timestamp::now()).is_err());
    }

    #[test]
    fn a_certificate_that_is_over_no_longer_names_anybody() {
        let certificate = Certificate::of(&Authority::new("clients").client(&Subject::named("backup")).der);
        let end = certificate.not_after();
        assert!(certificate.check(end).is_ok());
        let later = end.checked_add(jiff::SignedDuration::from_secs(1)).unwrap();
        assert_eq!(certificate.check(later), Err(NotProven::CertificateExpired(end)));
    }
}
