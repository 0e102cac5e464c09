//! What a channel is bound to: the hash of the server's certificate.
//!
//! Source: RFC 5929, section 4, `tls-server-end-point`.

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use rustls::pki_types::CertificateDer;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The hash of a certificate, by the function that it is signed with; SHA-256 in place of MD5 and
/// SHA-1. None where a signature has no one function, as those of Ed25519 do not.
pub fn end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let algorithm = &parsed.signature_algorithm.algorithm;
    let function = if [
        oid::OID_PKCS1_SHA256WITHRSA,
        oid::OID_SIG_ECDSA_WITH_SHA256,
        oid::OID_PKCS1_SHA1WITHRSA,
        oid::OID_PKCS1_MD5WITHRSAENC,
    ]
    .contains(algorithm)
    {
        &SHA256
    } else if [oid::OID_PKCS1_SHA384WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA384].contains(algorithm) {
        &SHA384
    } else if [oid::OID_PKCS1_SHA512WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA512].contains(algorithm) {
        &SHA512
    } else {
        return None;
    };
    Some(digest::digest(function, certificate).as_ref().to_vec())
}
