//! Name look-up that leaves a typed mark on failure, so that a DNS fault is told from a refused connection.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The system's resolver.
#[derive(Debug)]
pub(crate) struct SystemResolver;

/// Found in the source chain of an error when the name could not be resolved.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub(crate) struct DnsFault {
    cause: std::io::Error,
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|cause| DnsFault { cause })?;
            let addresses: Vec<_> = found.collect();
            if addresses.is_empty() {
                return Err(DnsFault { cause: std::io::Error::other("the name has no address") }.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Effect, ErrorKind, fault};

    /// A label this long is refused by the system's resolver itself: no query leaves the machine.
    struct NeverFound;

    impl Resolve for NeverFound {
        fn resolve(&self, _: Name) -> Resolving {
            SystemResolver.resolve(format!("{}.invalid", "a".repeat(70)).parse().unwrap())
        }
    }

    #[tokio::test]
    async fn an_unknown_name_is_told_from_a_refused_connection() {
        let http = reqwest::Client::builder().no_proxy().dns_resolver(NeverFound).build().unwrap();
        let error = http.get("https://acme.api.kandji.io/?secret=1").send().await.unwrap_err();
        let error = fault::transport(error);
        assert_eq!((error.kind, error.effect), (ErrorKind::Dns, Effect::NotSent), "{error:?}");
        assert!(!error.message.is_empty() && !error.message.contains("secret"), "{error:?}");
    }
}
