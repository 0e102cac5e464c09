//! What agents' TLS clients are told to trust: the host's roots and our own authority.
//!
//! No agent is changed for it: `gateway run` passes environment variables that TLS clients read by
//! themselves, naming a file that is written when the daemon starts.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustls::pki_types::CertificateDer;

/// Variables that name a file of trusted certificates, and whose they are.
const BUNDLE_VARIABLES: &[&str] = &[
    "SSL_CERT_FILE",                      // OpenSSL, Go, rustls-native-certs
    "PGSSLROOTCERT",                      // libpq and what stands on it
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

/// Writes `host_roots` and our own authority's certificate to `path`, for anyone to read.
pub fn write(
    path: &Path,
    host_roots: &[CertificateDer<'_>],
    authority: &CertificateDer<'_>,
) -> io::Result<()> {
    // Ours first: a client that reads only one certificate of the file reads that one.
    let text: String = std::iter::once(authority)
        .chain(host_roots)
        .map(to_pem)
        .collect();
    // Clients of running agents read the file at any time, so it changes in one step.
    let unfinished = path.with_extension("new");
    fs::write(&unfinished, text)?;
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o644))?;
    fs::rename(&unfinished, path)
}

/// The environment that lets TLS clients trust the gateway, where `bundle` is the file that
/// [`write`] wrote.
pub fn environment(bundle: &Path) -> Vec<(&'static str, OsString)> {
    let mut variables: Vec<_> = BUNDLE_VARIABLES
        .iter()
        .map(|name| (*name, bundle.as_os_str().to_owned()))
        .collect();
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
