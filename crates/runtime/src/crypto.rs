//! One TLS library for the whole process.

/// Makes aws-lc-rs the process's cryptography. The first thing in `main`: whatever opens a TLS
/// connection before it would find no provider and panic. Calling it again does nothing.
pub fn install_crypto_provider() {
    // The error says only that one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    #[test]
    fn can_be_called_twice() {
        super::install_crypto_provider();
        super::install_crypto_provider();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }
}
