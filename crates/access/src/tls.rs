//! The server's end of TLS, from files that may change while it runs.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};

use crate::AccessError;
use crate::certificate::Certificate;
use crate::watched::{Named, Watched, keep_looking};

const CERT: &str = "PANDAPORT_TLS_CERT";
const KEY: &str = "PANDAPORT_TLS_KEY";
const CLIENT_CA: &str = "PANDAPORT_TLS_CLIENT_CA";

/// The files, PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and its authority.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities of client certificates. Unset: none is asked for.
    pub client_ca: Option<PathBuf>,
}

/// The server's end of TLS. Connections go by the files as they were last good. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls(Arc<Watched<Arc<ServerConfig>>>);

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`AccessError::File`] for the one that can't be used.
    pub fn load(files: TlsFiles) -> Result<Self, AccessError> {
        let cert = Named::new(CERT, files.cert);
        let key = Named::new(KEY, files.key);
        let client_ca = files.client_ca.map(|path| Named::new(CLIENT_CA, path));
        let watched = [cert.clone(), key.clone()].into_iter().chain(client_ca.clone()).collect();
        let build = move |contents: &[Vec<u8>]| {
            let client_ca = client_ca.as_ref().map(|file| (file, contents[2].as_slice()));
            config((&cert, &contents[0]), (&key, &contents[1]), client_ca).map(Arc::new)
        };
        Ok(Self(Arc::new(Watched::load(watched, build)?)))
    }

    /// Looks for changed files every two seconds, for ever. New connections go by what is new; those that are there stay.
    pub async fn keep_fresh(self) {
        keep_looking(self.0).await;
    }

    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.current())
    }

    #[cfg(test)]
    pub(crate) fn look(&self) {
        self.0.look();
    }
}

fn config(
    (cert_file, cert): (&Named, &[u8]),
    (key_file, key): (&Named, &[u8]),
    client_ca: Option<(&Named, &[u8])>,
) -> Result<ServerConfig, AccessError> {
    let chain = certificates(cert_file, cert)?;
    let until = chain.first().map(|it| Certificate::of(it).not_after()).unwrap_or_default();
    // The reader's error would quote the file, which may be a key that is not in PEM.
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| key_file.wrong("holds no private key in PEM"))?;
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| cert_file.wrong(error.to_string()))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some((file, pem)) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(file, pem)? {
                roots.add(authority).map_err(|error| file.wrong(format!("holds no authority: {error}")))?;
            }
            // Not asked for at the handshake: health is open to all, and whoever comes without is told so in words.
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| file.wrong(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| key_file.wrong(format!("is not the key of {}: {error}", cert_file.path.display())))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    if until < jiff::Timestamp::now() {
        tracing::warn!(%until, file = %cert_file.path.display(), "the server's certificate has expired: clients will refuse it");
    } else {
        tracing::info!(%until, file = %cert_file.path.display(), "the server's certificate was read");
    }
    Ok(config)
}

fn certificates(file: &Named, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, AccessError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(file.wrong("holds no certificate in PEM")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pandaport_test_identity::{Authority, Leaf};

    use super::*;

    fn write(folder: &std::path::Path, leaf: &Leaf, ca: &str) -> TlsFiles {
        std::fs::write(folder.join("tls.crt"), &leaf.cert_pem).unwrap();
        std::fs::write(folder.join("tls.key"), &leaf.key_pem).unwrap();
        std::fs::write(folder.join("ca.crt"), ca).unwrap();
        TlsFiles { cert: folder.join("tls.crt"), key: folder.join("tls.key"), client_ca: Some(folder.join("ca.crt")) }
    }

    #[test]
    fn files_that_can_not_be_used_are_named_with_their_setting_and_a_key_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("ours");
        let leaf = authority.server();
        for (name, contents, said) in [
            ("tls.crt", "", "PANDAPORT_TLS_CERT: "),
            ("tls.key", "secret", "PANDAPORT_TLS_KEY: "),
            ("tls.key", &authority.server().key_pem, "is not the key of"),
            ("ca.crt", "nothing", "PANDAPORT_TLS_CLIENT_CA: "),
        ] {
            let files = write(folder.path(), &leaf, &authority.pem());
            assert!(ServerTls::load(files.clone()).is_ok());
            std::fs::write(folder.path().join(name), contents).unwrap();
            let error = ServerTls::load(files).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains(name), "{error}");
            assert!(contents.is_empty() || !error.contains(contents), "{error}");
        }
    }

    #[test]
    fn a_certificate_without_its_key_is_not_taken_until_the_key_is_there_too() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("ours");
        let tls = ServerTls::load(write(folder.path(), &authority.server(), &authority.pem())).unwrap();
        let first = tls.current();
        let renewed = authority.server();
        std::fs::write(folder.path().join("tls.crt"), &renewed.cert_pem).unwrap();
        tls.look();
        tls.look();
        assert!(Arc::ptr_eq(&first, &tls.current()));
        std::fs::write(folder.path().join("tls.key"), &renewed.key_pem).unwrap();
        tls.look();
        assert!(!Arc::ptr_eq(&first, &tls.current()));
    }
}
