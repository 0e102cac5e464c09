//! The two files of the authority: its certificate and its key, made once and checked whenever
//! they are loaded.
//!
//! What is signed with the key is in `authority`.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData as _};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::authority::AuthorityError;
use super::bundle;
use super::issue::{self, LEAF_LIFETIME};
use crate::kept::write_whole;

/// Where the files are.
pub(super) struct Store<'a> {
    directory: &'a Path,
    certificate: PathBuf,
    key: PathBuf,
}

impl<'a> Store<'a> {
    pub(super) fn new(directory: &'a Path) -> Self {
        Self {
            directory,
            certificate: directory.join("ca.pem"),
            key: directory.join("ca.key"),
        }
    }

    /// None where there is no certificate yet. A key without one was left by a start that was
    /// interrupted, has signed nothing, and is replaced.
    pub(super) fn load(
        &self,
        now: Timestamp,
    ) -> Result<Option<(CertificateDer<'static>, KeyPair)>, AuthorityError> {
        let pem = match fs::read(&self.certificate) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|source| failed("read", &self.certificate, source))?,
        };
        let certificate = CertificateDer::from_pem_slice(&pem)
            .map_err(|_| self.unusable("has a ca.pem that is not a certificate"))?;
        let key = self.load_key()?;
        self.check(&certificate, &key, now)?;
        Ok(Some((certificate, key)))
    }

    fn load_key(&self) -> Result<KeyPair, AuthorityError> {
        let metadata =
            fs::metadata(&self.key).map_err(|source| failed("read", &self.key, source))?;
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(AuthorityError::KeyIsOpen {
                path: self.key.clone(),
                mode,
            });
        }
        let pem =
            fs::read_to_string(&self.key).map_err(|source| failed("read", &self.key, source))?;
        KeyPair::from_pem(&pem).map_err(|_| self.unusable("has a ca.key that is not a private key"))
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        key: &KeyPair,
        now: Timestamp,
    ) -> Result<(), AuthorityError> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
            .map_err(|_| self.unusable("has a ca.pem that is not a certificate"))?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(self.unusable("has a ca.key that does not belong to its ca.pem"));
        }
        if !parsed.is_ca() {
            return Err(self.unusable("has a ca.pem that is not the certificate of a CA"));
        }
        // A leaf must not outlive the authority.
        let until = parsed.validity().not_after.timestamp();
        if until < now.as_second().saturating_add(LEAF_LIFETIME) {
            return Err(self.unusable("ends within seven days or has ended"));
        }
        Ok(())
    }

    pub(super) fn create(
        &self,
        host: &str,
        now: Timestamp,
    ) -> Result<(CertificateDer<'static>, KeyPair), AuthorityError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(self.directory)
            .map_err(|source| failed("create", self.directory, source))?;
        let key = issue::key()?;
        let certificate = issue::authority(host, &key, now)?;
        // The certificate last: `load` takes it as the sign that both are there.
        write(&self.key, key.serialize_pem().as_bytes(), 0o600)?;
        let pem = bundle::to_pem(&certificate);
        write(&self.certificate, pem.as_bytes(), 0o644)?;
        Ok((certificate, key))
    }

    fn unusable(&self, problem: &'static str) -> AuthorityError {
        AuthorityError::Unusable {
            path: self.directory.to_owned(),
            problem,
        }
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> AuthorityError {
    AuthorityError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), AuthorityError> {
    write_whole(path, bytes, mode).map_err(|source| failed("write", path, source))
}
