//! What our certificates say and how they are signed: the authority's own and the leaves.
//!
//! Pure but for the key generator: no files, no clock, no cache. Those are in `authority`.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;

/// Seconds by which certificates are dated back, for clients whose clock is a little behind.
const BACKDATED: i64 = 60 * 60;
/// Seconds for which the authority is valid: ten years.
const AUTHORITY_LIFETIME: i64 = 10 * 365 * 24 * 60 * 60;
/// Seconds for which a leaf is valid: seven days.
pub(super) const LEAF_LIFETIME: i64 = 7 * 24 * 60 * 60;
/// Seconds before its end at which a leaf is replaced: a day.
pub(super) const LEAF_RENEWAL: i64 = 24 * 60 * 60;
/// The longest common name that X.520 allows.
const COMMON_NAME_MAX: usize = 64;

/// The names a leaf stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LeafName {
    /// What the client asked for by SNI.
    pub(super) server_name: Option<String>,
    /// Where the client connected to. A client that knows only the address finds it too.
    pub(super) address: IpAddr,
}

/// A new key for the authority or for leaves.
pub(super) fn key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

/// The authority's own certificate.
pub(super) fn authority(
    host: &str,
    key: &KeyPair,
    now: Timestamp,
) -> Result<CertificateDer<'static>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(&format!("gateway CA {host}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    valid(&mut params, now, AUTHORITY_LIFETIME);
    params.serial_number = Some(serial()?);
    Ok(params.self_signed(key)?.der().clone())
}

/// A leaf for `name`, signed by the authority.
pub(super) fn leaf(
    name: &LeafName,
    key: &KeyPair,
    issuer: &Issuer<'_, KeyPair>,
    now: Timestamp,
) -> Result<CertificateDer<'static>, rcgen::Error> {
    let mut params = CertificateParams::default();
    let address = name.address.to_string();
    let common_name = name.server_name.as_deref().unwrap_or(&address);
    params.distinguished_name = named(common_name);
    if let Some(server_name) = &name.server_name {
        let server_name = server_name.as_str().try_into()?;
        params.subject_alt_names.push(SanType::DnsName(server_name));
    }
    params
        .subject_alt_names
        .push(SanType::IpAddress(name.address));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    valid(&mut params, now, LEAF_LIFETIME);
    params.serial_number = Some(serial()?);
    Ok(params.signed_by(key, issuer)?.der().clone())
}

fn named(common_name: &str) -> DistinguishedName {
    let common_name: String = common_name.chars().take(COMMON_NAME_MAX).collect();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// 127 random bits: unique without a counter that would have to be kept (RFC 5280, 4.1.2.2).
fn serial() -> Result<SerialNumber, rcgen::Error> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| rcgen::Error::RingUnspecified)?;
    if let Some(first) = bytes.first_mut() {
        *first &= 0x7f;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

/// Makes the certificate valid from shortly before `now` for `lifetime` seconds.
fn valid(params: &mut CertificateParams, now: Timestamp, lifetime: i64) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    // A clock before 1970 gives certificates that are not valid yet, and so no connection.
    let since_epoch = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let now = now.as_second();
    params.not_before = epoch + since_epoch(now.saturating_sub(BACKDATED));
    params.not_after = epoch + since_epoch(now.saturating_add(lifetime));
}
