//! What agents' TLS clients are told to trust: the host's roots and our own authority.
//!
//! No agent is changed for it: `gateway run` passes environment variables that TLS clients read by
//! themselves, naming a file that is written when the daemon starts.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;

/// Variables that name a file of trusted certificates, and whose they are.
const BUNDLE_VARIABLES: &[&str] = &[
    "SSL_CERT_FILE",                      // OpenSSL, Go, rustls-native-certs
    "NODE_EXTRA_CA_CERTS",                // Node.js
    "REQUESTS_CA_BUNDLE",                 // Python requests
    "CURL_CA_BUNDLE",                     // curl
    "AWS_CA_BUNDLE",                      // AWS SDKs and command line
    "GIT_SSL_CAINFO",                     // git
    "CARGO_HTTP_CAINFO",                  // cargo
    "PIP_CERT",                           // pip
    "DENO_CERT",                          // Deno
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",   // gRPC core
    "NIX_SSL_CERT_FILE",                  // programs from nixpkgs
    "HTTPLIB2_CA_CERTS",                  // Python httplib2
    "BUNDLE_SSL_CA_CERT",                 // Ruby bundler
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", // gcloud
];

/// Variables of clients whose every TLS connection ends at the gateway. They need our authority
/// alone; libpq reads the file at each connection, and a host's roots would cost it 30 ms.
const AUTHORITY_VARIABLES: &[&str] = &["PGSSLROOTCERT"];

/// The files that clients are pointed to.
#[derive(Clone, Debug)]
pub struct Files {
    /// The host's roots and our own authority's certificate.
    pub bundle: PathBuf,
    /// Our own authority's certificate alone.
    pub authority: PathBuf,
}

/// Writes both files to `directory`, for anyone to read.
pub fn write(
    directory: &Path,
    host_roots: &[CertificateDer<'_>],
    authority: &CertificateDer<'_>,
) -> io::Result<Files> {
    let files = Files {
        bundle: directory.join("ca-bundle.pem"),
        authority: directory.join("ca.pem"),
    };
    // Ours first: a client that reads only one certificate of the file reads that one.
    let all = std::iter::once(authority).chain(host_roots);
    replace(&files.bundle, &all.map(to_pem).collect::<String>())?;
    replace(&files.authority, &to_pem(authority))?;
    Ok(files)
}

/// Clients of running agents read the file at any time, so it changes in one step.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    fs::write(&unfinished, text)?;
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o644))?;
    fs::rename(&unfinished, path)
}

/// The environment that lets TLS clients trust the gateway, where [`write`] wrote `files`.
pub fn environment(files: &Files) -> Vec<(&'static str, OsString)> {
    let name = |path: &PathBuf| path.as_os_str().to_owned();
    let bundle = BUNDLE_VARIABLES
        .iter()
        .map(|variable| (*variable, name(&files.bundle)));
    let authority = AUTHORITY_VARIABLES
        .iter()
        .map(|variable| (*variable, name(&files.authority)));
    let mut variables: Vec<_> = bundle.chain(authority).collect();
    // SCRAM's channel binding ties the password to the certificate that the client saw, which is
    // ours and not the server's. And a client that could bind but is not offered to says so, which
    // the server takes for a downgrade attack (RFC 5802, section 6). Both end in a refused login.
    variables.push(("PGCHANNELBINDING", OsString::from("disable")));
    variables
}

/// A certificate as text.
pub(super) fn to_pem(certificate: &CertificateDer<'_>) -> String {
    let pem = pem::Pem::new("CERTIFICATE", certificate.to_vec());
    pem::encode_config(
        &pem,
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
}
