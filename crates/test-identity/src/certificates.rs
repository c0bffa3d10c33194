//! An authority, and the certificates that it signs.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};

/// An authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The certificate, PEM.
    pub cert_pem: String,
    /// Its key, PEM.
    pub key_pem: String,
    /// The certificate, DER.
    pub der: Vec<u8>,
}

/// Whom a client's certificate names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'a> {
    /// Its common name.
    pub common_name: Option<&'a str>,
    /// URIs among its alternative names.
    pub uris: &'a [&'a str],
}

impl<'a> Subject<'a> {
    /// Nothing but a common name.
    #[must_use]
    pub fn named(common_name: &'a str) -> Self {
        Self { common_name: Some(common_name), ..Self::default() }
    }
}

impl Authority {
    /// A new authority of that name, with a new key.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its certificate, PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server's certificate for this machine: `localhost`, 127.0.0.1 and ::1.
    #[must_use]
    pub fn server(&self) -> Leaf {
        self.server_for(&["localhost", "127.0.0.1", "::1"])
    }

    /// A server's certificate for these names.
    #[must_use]
    pub fn server_for(&self, names: &[&str]) -> Leaf {
        let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// A client's certificate.
    #[must_use]
    pub fn client(&self, subject: &Subject<'_>) -> Leaf {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = subject.common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.subject_alt_names = subject.uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Leaf {
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Leaf { cert_pem: certificate.pem(), key_pem: key.serialize_pem(), der: certificate.der().to_vec() }
    }
}
