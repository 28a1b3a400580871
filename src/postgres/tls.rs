//! TLS for both kinds of connections: libpq's `sslmode`s on rustls with the ring provider.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::url::{ConnectUrl, RootCert, SslMode};

/// Makes ring the process's provider. Call it first thing: with a second provider linked in, rustls would panic
/// at its first use. Calling it again does nothing.
pub fn install_tls_provider() {
    // An error means that a provider is installed already, by an earlier call.
    let _ = ring::default_provider().install_default();
}

/// Why no TLS connection can even be tried.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// A PEM file cannot be used.
    #[error("{option} {path}: {reason}")]
    File {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system has no authorities.
    #[error("no certificate authorities are installed on this system (package ca-certificates)")]
    NoSystemRoots,
    /// rustls refuses the certificates.
    #[error("the certificates cannot be used: {0}")]
    Unusable(String),
}

/// What a mode means to rustls. Files are read anew for each connection, so that a renewed certificate is taken up.
pub(super) fn client_config(url: &ConnectUrl, mode: SslMode) -> Result<ClientConfig, TlsSetupError> {
    let unusable = |error: &dyn std::fmt::Display| TlsSetupError::Unusable(error.to_string());
    let provider = Arc::new(ring::default_provider());
    // As in libpq: a root certificate that was named is used in each mode, and only verify-full looks at the name.
    let pinned = match &url.root_cert {
        Some(RootCert::File(path)) => Some(certificates("sslrootcert", path)?),
        _ => None,
    };
    let roots = match &pinned {
        Some(pinned) => Some(store(pinned.clone()).map_err(|error| unusable(&error))?),
        None if mode >= SslMode::VerifyCa || url.root_cert.is_some() => Some(system_roots()?),
        None => None,
    };
    let inner = roots
        .map(|roots| {
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()
        })
        .transpose()
        .map_err(|error| unusable(&error))?;
    let verifier = Verifier {
        inner,
        check_name: mode >= SslMode::VerifyFull,
        pinned: pinned.unwrap_or_default(),
        provider: Arc::clone(&provider),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match &url.client_cert {
        None => Ok(config.with_no_client_auth()),
        Some((cert, key)) => {
            let chain = certificates("sslcert", cert)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| file_error("sslkey", key, &error))?;
            config
                .with_client_auth_cert(chain, key)
                .map_err(|error| unusable(&error))
        }
    }
}

fn file_error(option: &'static str, path: &Path, reason: &dyn std::fmt::Display) -> TlsSetupError {
    TlsSetupError::File {
        option,
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

fn certificates(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => {
            Err(file_error(option, path, &"holds no PEM certificate"))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(file_error(option, path, &error)),
    }
}

fn store(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        Err(TlsSetupError::NoSystemRoots)
    } else {
        Ok(roots)
    }
}

/// libpq's three levels: nothing, the chain, the chain and the name.
#[derive(Debug)]
struct Verifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    check_name: bool,
    pinned: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// A self-signed certificate as `openssl req -x509` makes it is marked as an authority, which webpki refuses for
    /// a server. The very certificate named in `sslrootcert` is trusted nevertheless: its validity was checked before,
    /// and the handshake proves its key.
    fn verify_pinned(
        &self,
        error: rustls::Error,
        end_entity: &CertificateDer<'_>,
        name: &ServerName<'_>,
    ) -> Result<(), rustls::Error> {
        let rustls::Error::InvalidCertificate(CertificateError::Other(reason)) = &error else {
            return Err(error);
        };
        if !reason.to_string().contains("CaUsedAsEndEntity") || !self.pinned.contains(end_entity) {
            return Err(error);
        }
        if self.check_name {
            let parsed = rustls::server::ParsedCertificate::try_from(end_entity)?;
            rustls::client::verify_server_name(&parsed, name)?;
        }
        Ok(())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        let Some(inner) = &self.inner else {
            return Ok(ServerCertVerified::assertion());
        };
        match inner.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Ok(verified) => Ok(verified),
            // The name is looked at last, so the chain is good.
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
                if !self.check_name =>
            {
                Ok(ServerCertVerified::assertion())
            }
            Err(error) => self
                .verify_pinned(error, end_entity, name)
                .map(|()| ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The channel binding `tls-server-end-point` (RFC 5929): the certificate's hash by its own signature's algorithm.
/// `None` where that names no hash (Ed25519, RSA-PSS).
pub(super) fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (body, _) = der_value(certificate)?;
    let (_, after_tbs) = der_value(body)?;
    let (algorithm, _) = der_value(after_tbs)?;
    let (oid, _) = der_value(algorithm)?;
    match oid {
        // PKCS #1: MD5 and SHA-1 are raised to SHA-256.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, hash] => match hash {
            4 | 5 | 11 => Some(Sha256::digest(certificate).to_vec()),
            12 => Some(Sha384::digest(certificate).to_vec()),
            13 => Some(Sha512::digest(certificate).to_vec()),
            _ => None,
        },
        // ECDSA.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2] => {
            Some(Sha256::digest(certificate).to_vec())
        }
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3] => Some(Sha384::digest(certificate).to_vec()),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4] => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

/// The first DER element's content, and what follows it.
fn der_value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits
                .iter()
                .fold(0_usize, |length, digit| length << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_certificate_panics(bytes: Vec<u8>) {
            let _ = server_end_point(&bytes);
        }
    }
}
