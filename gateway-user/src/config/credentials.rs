//! `[[credential]]`: as whom the gateway logs in at servers, in the agents' stead.
//!
//! Part of `check`. Passwords and keys are read from files that not everyone may read, when the
//! configuration is loaded and at each reload; no finding repeats them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use gateway_core::protocols::login::Login;
use gateway_core::secret::Secret;
use toml::Spanned;

use super::check::Findings;
use super::file;
use super::nearest::nearest;
use crate::tls::identity::Identity;

/// A credential, with the files that it came from.
#[derive(Clone, Debug)]
pub struct Credential {
    /// As whom.
    pub login: Arc<Login>,
    /// The certificate that is shown to servers that ask for one.
    pub identity: Option<Arc<Identity>>,
    /// Whether it is shown to servers that are not verified.
    pub accept_unverified: bool,
    /// Files that are read again at each reload.
    pub files: Vec<PathBuf>,
}

impl Findings<'_> {
    pub(super) fn credentials(&mut self, tables: Vec<file::Credential>) -> Option<Vec<Credential>> {
        let mut names = HashMap::new();
        let count = tables.len();
        let mut found = Vec::with_capacity(count);
        for table in tables {
            let named = self.name("credential", &table.name, &mut names);
            let user = self.account(&table.user);
            let password = match &table.password_file {
                Some(file) => self.secret(file).map(|bytes| Some(Secret::new(bytes))),
                None => Some(None),
            };
            let identity = self.identity(&table);
            let (true, true, Some(password), Some(identity)) = (named, user, password, identity)
            else {
                continue;
            };
            if password.is_none() && identity.is_none() {
                self.warning(
                    table.name.span(),
                    "this credential opens nothing but servers that ask for nothing",
                    "give password_file, or certificate_file and key_file",
                );
            }
            let login = Login::new(table.name.into_inner(), table.user.into_inner(), password);
            let files = [table.password_file, table.certificate_file, table.key_file];
            found.push(Credential {
                login: Arc::new(login.asking(table.placeholder)),
                identity,
                accept_unverified: table.accept_unverified,
                files: files
                    .into_iter()
                    .flatten()
                    .map(Spanned::into_inner)
                    .collect(),
            });
        }
        (found.len() == count).then_some(found)
    }

    fn account(&mut self, user: &Spanned<String>) -> bool {
        let good = !user.get_ref().is_empty() && !user.get_ref().contains('\0');
        if !good {
            let message = "this cannot be the name of an account".to_owned();
            self.error(user.span(), message, None);
        }
        good
    }

    /// The certificate and its key: both or none.
    fn identity(&mut self, table: &file::Credential) -> Option<Option<Arc<Identity>>> {
        let (certificate, key) = match (&table.certificate_file, &table.key_file) {
            (None, None) => return Some(None),
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(one), None) | (None, Some(one)) => {
                let message = "a certificate needs its key, and a key its certificate".to_owned();
                let help = "give both, certificate_file and key_file".to_owned();
                self.error(one.span(), message, Some(help));
                return None;
            }
        };
        if !certificate.get_ref().is_absolute() {
            self.relative_path(certificate.span());
            return None;
        }
        let pem = self.secret(key)?;
        match Identity::read(certificate.get_ref(), key.get_ref(), &pem) {
            Ok(identity) => Some(Some(Arc::new(identity))),
            Err(error) => {
                self.error(certificate.span(), error.to_string(), None);
                None
            }
        }
    }

    /// The credential that a resource names.
    pub(super) fn credential<'a>(
        &mut self,
        name: Option<&Spanned<String>>,
        known: &'a [Credential],
    ) -> Option<Option<&'a Credential>> {
        let Some(name) = name else {
            return Some(None);
        };
        let text = name.get_ref();
        let names = || known.iter().map(|one| one.login.credential.as_str());
        let found = known.iter().find(|one| one.login.credential == *text);
        if found.is_none() {
            let message = format!("there is no [[credential]] named `{text}`");
            let help = match nearest(text, names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "add one, with name, user and password_file".to_owned(),
            };
            self.error(name.span(), message, Some(help));
        }
        found.map(Some)
    }
}
