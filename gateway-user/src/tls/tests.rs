//! Handshakes against our own leaves and checks of servers' certificates, in memory, and what
//! OpenSSL says about the authority.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, RootCertStore, ServerConfig,
    ServerConnection,
};

use super::authority::{Authority, AuthorityError};
use super::upstream::{Mode, Upstream, UpstreamError};
use super::{bundle, provider};

const HOST: &str = "vm-1";

fn authority(directory: &Path) -> Authority {
    Authority::load_or_create(directory, HOST, Timestamp::now()).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn name(text: &str) -> ServerName<'static> {
    ServerName::try_from(text.to_owned()).unwrap()
}

/// A client that trusts one certificate, by rustls' own rules.
fn client(root: &CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// Lets the two talk until both are through or one gives up; gives the certificates that the
/// client saw.
fn handshake(
    client: Arc<ClientConfig>,
    name: ServerName<'static>,
    server: Arc<ServerConfig>,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let mut client = ClientConnection::new(client, name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() {
            client.read_tls(&mut wire).unwrap();
            client.process_new_packets()?;
        }
    }
    let certificates = client.peer_certificates().unwrap();
    Ok(certificates
        .iter()
        .map(|c| c.clone().into_owned())
        .collect())
}

#[test]
fn leaves_stand_for_names_and_addresses() {
    let directory = tempfile::tempdir().unwrap();
    let authority = authority(&directory.path().join("ca"));
    let trusting = client(authority.certificate());
    for (address, asked) in [
        ("10.0.0.5", "db.internal"),
        ("10.0.0.5", "10.0.0.5"),
        ("::1", "::1"),
        ("::1", "localhost"),
    ] {
        let acceptor = authority.acceptor(ip(address)).unwrap();
        handshake(Arc::clone(&trusting), name(asked), acceptor).unwrap();
    }
    // One that asks for an address other than the one it connected to.
    let acceptor = authority.acceptor(ip("10.0.0.5")).unwrap();
    let wrong = handshake(trusting, name("10.0.0.6"), acceptor);
    assert!(wrong.is_err());
}

#[test]
fn leaves_and_configurations_are_reused() {
    let directory = tempfile::tempdir().unwrap();
    let authority = authority(directory.path());
    let trusting = client(authority.certificate());
    let acceptor = authority.acceptor(ip("10.0.0.5")).unwrap();
    let again = authority.acceptor(ip("10.0.0.5")).unwrap();
    assert!(Arc::ptr_eq(&acceptor, &again));
    let first = handshake(Arc::clone(&trusting), name("a.b"), Arc::clone(&acceptor)).unwrap();
    let second = handshake(Arc::clone(&trusting), name("a.b"), Arc::clone(&acceptor)).unwrap();
    assert_eq!(first, second);
    let other = handshake(trusting, name("c.d"), acceptor).unwrap();
    assert_ne!(first, other);
}

#[test]
fn speaks_postgresql_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let authority = authority(directory.path());
    let acceptor = authority.acceptor(ip("::1")).unwrap();
    for (offered, agreed) in [("postgresql", true), ("http/1.1", false)] {
        let mut config = Arc::unwrap_or_clone(client(authority.certificate()));
        config.alpn_protocols = vec![offered.as_bytes().to_vec()];
        let done = handshake(Arc::new(config), name("::1"), Arc::clone(&acceptor));
        assert_eq!(done.is_ok(), agreed, "{offered}");
    }
}

#[test]
fn the_authority_stays_the_same_and_its_key_is_private() {
    let directory = tempfile::tempdir().unwrap();
    let made = authority(directory.path());
    let loaded = authority(directory.path());
    assert_eq!(made.certificate(), loaded.certificate());
    let key = directory.path().join("ca.key");
    let mode = fs::metadata(&key).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    handshake(
        client(made.certificate()),
        name("a.b"),
        loaded.acceptor(ip("::1")).unwrap(),
    )
    .unwrap();

    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let load = || Authority::load_or_create(directory.path(), HOST, Timestamp::now());
    assert!(matches!(load(), Err(AuthorityError::KeyIsOpen { .. })));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(matches!(load(), Err(AuthorityError::Unusable { .. })));
    fs::remove_file(&key).unwrap();
    assert!(matches!(load(), Err(AuthorityError::Io { .. })));
    // A start that was interrupted before there was a certificate.
    fs::remove_file(directory.path().join("ca.pem")).unwrap();
    fs::write(&key, "half").unwrap();
    assert!(load().is_ok());
}

#[test]
fn an_authority_that_ends_soon_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let long_ago: Timestamp = "2015-01-01T00:00:00Z".parse().unwrap();
    Authority::load_or_create(directory.path(), HOST, long_ago).unwrap();
    let load = Authority::load_or_create(directory.path(), HOST, Timestamp::now());
    assert!(matches!(load, Err(AuthorityError::Unusable { .. })));
}

#[test]
fn openssl_agrees() {
    let directory = tempfile::tempdir().unwrap();
    let authority = authority(directory.path());
    let acceptor = authority.acceptor(ip("10.0.0.5")).unwrap();
    let leaf = handshake(
        client(authority.certificate()),
        name("db.internal"),
        acceptor,
    )
    .unwrap();
    let leaf_file = directory.path().join("leaf.pem");
    fs::write(&leaf_file, bundle::to_pem(&leaf[0])).unwrap();
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl")
            .args(arguments)
            .arg(&leaf_file)
            .output()
            .expect("this test needs `openssl`: apt-get install openssl");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let ca = directory.path().join("ca.pem");
    let ca = ca.to_str().unwrap();
    let verify = [
        "verify",
        "-x509_strict",
        "-CAfile",
        ca,
        "-purpose",
        "sslserver",
    ];
    openssl(&[&verify[..], &["-verify_hostname", "db.internal"]].concat());
    openssl(&[&verify[..], &["-verify_ip", "10.0.0.5"]].concat());
    let text = Command::new("openssl")
        .args(["x509", "-noout", "-text", "-in", ca])
        .output()
        .unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("CN = gateway CA vm-1"), "{text}");
    assert!(text.contains("CA:TRUE, pathlen:0"), "{text}");
}

/// A server's own certificate, made by nobody but itself.
struct SelfSigned {
    certificate: CertificateDer<'static>,
    config: Arc<ServerConfig>,
}

fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> SelfSigned {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "db.internal");
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    SelfSigned {
        certificate,
        config: Arc::new(config),
    }
}

fn upstream(mode: Mode, trusted: &CertificateDer<'_>) -> Arc<ClientConfig> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    fs::write(&file, bundle::to_pem(trusted)).unwrap();
    let upstream = Upstream::new(mode, Some(&file), None).unwrap();
    upstream.config().unwrap()
}

/// Which of the modes take `server` as `asked`, where `trusted` is in the `ca_file`.
#[track_caller]
fn check_modes(server: &SelfSigned, trusted: &CertificateDer<'_>, asked: &str, expected: &[Mode]) {
    let modes = [
        Mode::Prefer,
        Mode::Require,
        Mode::VerifyCa,
        Mode::VerifyFull,
    ];
    let taken: Vec<_> = modes
        .into_iter()
        .filter(|mode| {
            let config = upstream(*mode, trusted);
            handshake(config, name(asked), Arc::clone(&server.config)).is_ok()
        })
        .collect();
    assert_eq!(taken, expected, "{asked}");
}

const UNVERIFIED: [Mode; 2] = [Mode::Prefer, Mode::Require];
const CHAIN_ONLY: [Mode; 3] = [Mode::Prefer, Mode::Require, Mode::VerifyCa];
const ALL: [Mode; 4] = [
    Mode::Prefer,
    Mode::Require,
    Mode::VerifyCa,
    Mode::VerifyFull,
];

#[test]
fn modes_check_what_their_names_say() {
    let by_name = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![
            SanType::DnsName("pg.internal".try_into().unwrap()),
            SanType::IpAddress(ip("10.0.0.5")),
        ];
    };
    let server = self_signed(by_name);
    check_modes(&server, &server.certificate, "pg.internal", &ALL);
    check_modes(&server, &server.certificate, "10.0.0.5", &ALL);
    check_modes(&server, &server.certificate, "other.internal", &CHAIN_ONLY);
    // The common name does not count where there are alternative names.
    check_modes(&server, &server.certificate, "db.internal", &CHAIN_ONLY);
    let stranger = self_signed(by_name);
    check_modes(&server, &stranger.certificate, "pg.internal", &UNVERIFIED);
}

#[test]
fn a_common_name_counts_where_there_is_nothing_else() {
    let server = self_signed(|_| {});
    check_modes(&server, &server.certificate, "db.internal", &ALL);
    check_modes(&server, &server.certificate, "db.other", &CHAIN_ONLY);
}

#[test]
fn a_certificate_out_of_date_is_refused_even_if_it_is_in_the_file() {
    let server = self_signed(|params| {
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    check_modes(&server, &server.certificate, "db.internal", &UNVERIFIED);
    let config = upstream(Mode::VerifyCa, &server.certificate);
    let error = handshake(config, name("db.internal"), server.config).unwrap_err();
    assert_eq!(error, Error::InvalidCertificate(CertificateError::Expired));
}

#[test]
fn a_chain_to_an_authority_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let authority = authority(directory.path());
    let acceptor = authority.acceptor(ip("10.0.0.5")).unwrap();
    let config = upstream(Mode::VerifyFull, authority.certificate());
    handshake(config, name("db.internal"), acceptor).unwrap();
}

#[test]
fn settings_that_cannot_work_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    let load = |mode| Upstream::new(mode, Some(&file), None).map(|_| ());
    assert!(matches!(
        load(Mode::VerifyCa),
        Err(UpstreamError::File { .. })
    ));
    fs::write(&file, "not PEM").unwrap();
    assert!(matches!(
        load(Mode::VerifyFull),
        Err(UpstreamError::NoCertificates { .. })
    ));
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(&file, garbage).unwrap();
    assert!(matches!(
        load(Mode::VerifyCa),
        Err(UpstreamError::BadCertificate { number: 1, .. })
    ));
    assert!(load(Mode::Disable).is_ok());
    let name = Upstream::new(Mode::Prefer, None, Some("not a name"));
    assert!(matches!(name, Err(UpstreamError::ServerName(_))));
}

#[test]
fn the_server_is_asked_for_by_the_best_name_known() {
    let address = ip("10.0.0.5");
    let configured = Upstream::new(Mode::Prefer, None, Some("db.internal")).unwrap();
    assert_eq!(
        configured.server_name(Some("sni"), address),
        name("db.internal")
    );
    let plain = Upstream::new(Mode::Prefer, None, None).unwrap();
    assert_eq!(plain.server_name(Some("sni"), address), name("sni"));
    assert_eq!(plain.server_name(None, address), name("10.0.0.5"));
}

#[test]
fn the_bundle_has_our_authority_first() {
    let directory = tempfile::tempdir().unwrap();
    let authority = authority(directory.path());
    let other = self_signed(|_| {});
    let roots = [other.certificate.clone()];
    bundle::write(directory.path(), &roots, authority.certificate()).unwrap();
    let files = bundle::write(directory.path(), &roots, authority.certificate()).unwrap();
    let text = fs::read_to_string(&files.bundle).unwrap();
    let expected = [authority.certificate(), &other.certificate].map(bundle::to_pem);
    assert_eq!(text, expected.concat());
    assert_eq!(fs::read_to_string(&files.authority).unwrap(), expected[0]);
    let environment = bundle::environment(&files);
    assert!(environment.contains(&("SSL_CERT_FILE", files.bundle.into_os_string())));
    assert!(environment.contains(&("PGSSLROOTCERT", files.authority.into_os_string())));
}
