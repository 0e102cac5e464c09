//! How a server's certificate is checked: not at all, by its chain, or by chain and name.
//!
//! Built on rustls' own checks (webpki) where they apply. Two things that libpq accepts and webpki
//! does not are added, because servers are set up that way: a certificate that is itself in the
//! `ca_file`, and a server name that is only in the certificate's common name.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::certificate::X509Certificate;

/// Takes any certificate: `prefer` and `require`, which protect from listeners and from nobody who
/// can put himself in between.
#[derive(Debug)]
pub(super) struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyCertificate {
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        Self {
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    // Whoever may show any certificate may sign with its key, so the signature proves nothing; not
    // reading it lets the version 1 certificates pass that old servers have.
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether the name in a certificate matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// `verify-full`.
    Checked,
    /// `verify-ca`.
    Ignored,
}

/// Takes certificates that a trusted authority signed: `verify-ca` and `verify-full`.
#[derive(Debug)]
pub(super) struct Trusted {
    roots: RootCertStore,
    /// Certificates of the `ca_file`, which a server may show as its own.
    pinned: Vec<CertificateDer<'static>>,
    names: Names,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Trusted {
    pub(super) fn new(
        roots: RootCertStore,
        pinned: Vec<CertificateDer<'static>>,
        names: Names,
        provider: &Arc<CryptoProvider>,
    ) -> Self {
        Self {
            roots,
            pinned,
            names,
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        if self.pinned.iter().any(|pinned| pinned == end_entity) {
            check_dates(&parse(end_entity)?, now)?;
        } else {
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                &self.roots,
                intermediates,
                now,
                self.algorithms.all,
            )?;
        }
        if self.names == Names::Checked {
            check_name(end_entity, &certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    match x509_parser::parse_x509_certificate(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(_) => Err(CertificateError::BadEncoding.into()),
    }
}

fn check_dates(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), Error> {
    let validity = certificate.validity();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// The names of a certificate are its subject alternative names; where there are none, and only
/// then, its common name is (as libpq does, after RFC 6125, 6.4.4).
fn check_name(
    der: &CertificateDer<'_>,
    certificate: &ParsedCertificate<'_>,
    server_name: &ServerName<'_>,
) -> Result<(), Error> {
    let refused = match verify_server_name(certificate, server_name) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let parsed = parse(der)?;
    // An extension that does not read counts as one that is there.
    if !matches!(parsed.subject_alternative_name(), Ok(None)) {
        return Err(refused);
    }
    let wanted = server_name.to_str();
    let mut common_names = parsed.subject().iter_common_name();
    if common_names.any(|name| name.as_str().is_ok_and(|name| covers(name, &wanted))) {
        return Ok(());
    }
    Err(refused)
}

/// Whether a common name stands for a host: equal, or a `*` for the first label.
fn covers(common_name: &str, host: &str) -> bool {
    if common_name.eq_ignore_ascii_case(host) {
        return true;
    }
    // An address is never covered by a wildcard, nor is a single label.
    if host.parse::<std::net::IpAddr>().is_ok() {
        return false;
    }
    match (common_name.strip_prefix("*."), host.split_once('.')) {
        (Some(domain), Some((_, rest))) => {
            domain.contains('.') && domain.eq_ignore_ascii_case(rest)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn wildcards_stand_for_one_label() {
        assert!(covers("db.internal", "DB.internal"));
        assert!(covers("*.db.internal", "a.db.internal"));
        assert!(!covers("*.db.internal", "a.b.db.internal"));
        assert!(!covers("*.internal", "db.internal"));
        assert!(!covers("*.0.0.5", "10.0.0.5"));
        assert!(covers("10.0.0.5", "10.0.0.5"));
    }
}
