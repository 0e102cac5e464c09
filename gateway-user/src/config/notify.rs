//! `[[notify]]`: where people are told of requests for approval.
//!
//! Part of `check`. Addresses of webhooks and keys are secrets: they are read from files that not
//! everyone may read, and no finding repeats them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway_core::secret::Secret;
use rustls::ClientConfig;
use toml::Spanned;

use super::check::Findings;
use super::file;
use super::secrets::is_world_readable;
use crate::notify::target::{Kind, Target};
use crate::tls::web;
use crate::web::url::Url;

/// What a key has at least, in bytes: half of what HMAC-SHA256 makes.
const KEY_MIN: usize = 16;

/// A target, with the files that it came from.
#[derive(Clone, Debug)]
pub struct Notify {
    /// The target.
    pub target: Arc<Target>,
    /// Files that are read again at each reload.
    pub files: Vec<PathBuf>,
}

impl Findings<'_> {
    pub(super) fn notify(&mut self, path: &Path, tables: Vec<file::Notify>) -> Option<Vec<Notify>> {
        let mut names = HashMap::new();
        let count = tables.len();
        let mut tls = None;
        let mut found = Vec::with_capacity(count);
        for table in tables {
            let named = self.name("notify target", &table.name, &mut names);
            let url = self.url(path, &table);
            let key = self.key(&table);
            let (true, Some(url), Some(key)) = (named, url, key) else {
                continue;
            };
            let tls = match url.is_tls {
                true => Some(self.web(&mut tls, &table.name)?),
                false => None,
            };
            let files = [table.url_file, table.secret_file];
            found.push(Notify {
                target: Arc::new(Target {
                    name: table.name.into_inner(),
                    kind: table.kind,
                    url,
                    tls,
                    key,
                }),
                files: files
                    .into_iter()
                    .flatten()
                    .map(Spanned::into_inner)
                    .collect(),
            });
        }
        (found.len() == count).then_some(found)
    }

    /// Reads the host's roots once, if any target needs them.
    fn web(
        &mut self,
        known: &mut Option<Arc<ClientConfig>>,
        name: &Spanned<String>,
    ) -> Option<Arc<ClientConfig>> {
        if known.is_none() {
            match web::client_config(None) {
                Ok(config) => *known = Some(config),
                Err(error) => self.error(name.span(), error.to_string(), None),
            }
        }
        known.clone()
    }

    fn url(&mut self, path: &Path, table: &file::Notify) -> Option<Url> {
        let (text, span) = match (&table.url, &table.url_file) {
            (Some(url), None) => {
                if is_world_readable(path) {
                    self.warning(
                        url.span(),
                        "whoever may read this file may post to this webhook",
                        "write the address into a file of its own and name that as url_file",
                    );
                }
                (url.get_ref().clone(), url.span())
            }
            (None, Some(file)) => {
                let bytes = self.secret(file)?;
                let text = String::from_utf8_lossy(&bytes).into_owned();
                (text, file.span())
            }
            (Some(url), Some(_)) => {
                let message = "there is both a url and a url_file".to_owned();
                self.error(url.span(), message, None);
                return None;
            }
            (None, None) => {
                let message = "a notify target without an address".to_owned();
                let help = "give url_file = \"/etc/gateway/…\", a file with the webhook's address";
                self.error(table.name.span(), message, Some(help.to_owned()));
                return None;
            }
        };
        match text.parse::<Url>() {
            Ok(url) => Some(url),
            Err(error) => {
                let message = match &table.url_file {
                    Some(file) => format!("{}: {error}", file.get_ref().display()),
                    None => error.to_string(),
                };
                self.error(span, message, None);
                None
            }
        }
    }

    /// The key, where there has to be one.
    fn key(&mut self, table: &file::Notify) -> Option<Option<Secret>> {
        match (table.kind, &table.secret_file) {
            (Kind::Generic, Some(file)) => {
                let key = self.secret(file)?;
                if key.len() < KEY_MIN {
                    let file_name = file.get_ref().display();
                    let message = format!("{file_name}: this key has less than {KEY_MIN} bytes");
                    let help = format!("make one: openssl rand -hex 32 > {file_name}");
                    self.error(file.span(), message, Some(help));
                    return None;
                }
                Some(Some(Secret::new(key)))
            }
            (Kind::Generic, None) => {
                let message = "messages of kind \"generic\" have to be signed".to_owned();
                let help = "give secret_file = \"/etc/gateway/…\", a file with the key";
                self.error(table.name.span(), message, Some(help.to_owned()));
                None
            }
            (_, Some(file)) => {
                let message = "only messages of kind \"generic\" are signed".to_owned();
                let help = "leave secret_file out: the address is what this webhook is secured by";
                self.error(file.span(), message, Some(help.to_owned()));
                None
            }
            (_, None) => Some(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use gateway_core::policy::diagnostic::Level;
    use tempfile::TempDir;

    use super::*;
    use crate::config::report::Report;
    use crate::config::{Config, check};

    fn load(source: &str) -> Result<(Config, Option<Report>), String> {
        let checked = check::check(Path::new("gateway.toml"), source.to_owned());
        checked.map_err(|error| error.to_string())
    }

    fn file(folder: &TempDir, name: &str, text: &str, mode: u32) -> String {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    }

    #[track_caller]
    fn check_error(more: &str, line: usize, expected: &str) {
        let source = format!("[[notify]]\nname = \"ops\"\n{more}\n");
        let error = load(&source).unwrap_err();
        let place = format!(" --> gateway.toml:{line}:");
        assert!(
            error.contains(expected) && error.contains(&place),
            "{error}"
        );
        assert!(!error.contains("s3cr3t"), "{error}");
    }

    #[test]
    fn targets_are_read() {
        let folder = TempDir::new().unwrap();
        let url = file(&folder, "url", "https://hooks.example.com/s3cr3t\n", 0o640);
        let key = file(&folder, "key", "0123456789abcdef0123\r\n", 0o600);
        let source = format!(
            "[[notify]]\nname = \"ops\"\nkind = \"slack\"\nurl_file = {url:?}\n\
             [[notify]]\nname = \"own\"\nkind = \"generic\"\nurl = \"http://127.0.0.1:8080/x\"\n\
             secret_file = {key:?}\n"
        );
        let (config, _) = load(&source).unwrap();
        let [ops, own] = &*config.notify else {
            panic!("two targets")
        };
        assert_eq!(ops.target.name, "ops");
        assert_eq!(ops.target.url.path.reveal(), b"/s3cr3t");
        assert!(ops.target.tls.is_some() && ops.target.key.is_none());
        assert_eq!(own.target.kind, Kind::Generic);
        assert_eq!(
            own.target.key.as_ref().unwrap().reveal(),
            b"0123456789abcdef0123"
        );
        assert_eq!(own.files, [PathBuf::from(key)]);
        assert!(!format!("{config:?}").contains("s3cr3t"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let folder = TempDir::new().unwrap();
        let open = file(&folder, "open", "https://a/s3cr3t", 0o644);
        let empty = file(&folder, "empty", "\n", 0o600);
        let plain = file(&folder, "plain", "http://hooks.example.com/s3cr3t", 0o600);
        let short = file(&folder, "short", "s3cr3t", 0o600);
        let good = "url = \"https://a/s3cr3t\"";
        for (more, line, expected) in [
            (
                "kind = \"slak\"\nurl = \"https://a/s3cr3t\"".to_owned(),
                3,
                "did you mean `slack`?",
            ),
            (
                format!("kind = \"https://a/s3cr3t\"\n{good}"),
                3,
                "unknown value",
            ),
            ("kind = \"slack\"".to_owned(), 2, "without an address"),
            (good.to_owned(), 1, "missing setting `kind`"),
            (
                format!("kind = \"slack\"\n{good}\nurl_file = {plain:?}"),
                4,
                "both a url and",
            ),
            (
                "kind = \"slack\"\nurl_file = \"x\"".to_owned(),
                4,
                "not absolute",
            ),
            (
                "kind = \"slack\"\nurl_file = \"/nowhere/x\"".to_owned(),
                4,
                "cannot read /nowhere/x",
            ),
            (
                format!("kind = \"slack\"\nurl_file = {open:?}"),
                4,
                "everyone on this host may read",
            ),
            (
                format!("kind = \"slack\"\nurl_file = {empty:?}"),
                4,
                "is empty",
            ),
            (
                format!("kind = \"teams\"\nurl_file = {plain:?}"),
                4,
                "http:// is for this host only",
            ),
            (
                "kind = \"teams\"\nurl = \"ftp://a/s3cr3t\"".to_owned(),
                4,
                "begins with https://",
            ),
            (
                "kind = \"teams\"\nurl = \"https://u:s3cr3t@a/\"".to_owned(),
                4,
                "user name or password",
            ),
            (
                format!("kind = \"teams\"\n{good}\nsecret_file = {short:?}"),
                5,
                "only messages of kind",
            ),
            (
                format!("kind = \"generic\"\n{good}"),
                2,
                "have to be signed",
            ),
            (
                format!("kind = \"generic\"\n{good}\nsecret_file = {short:?}"),
                5,
                "less than 16 bytes",
            ),
            (
                format!("kind = \"slack\"\n{good}\nurls = 1"),
                5,
                "did you mean `url`?",
            ),
            (
                "kind = \"slack\"\nurl = \"https://a/s3cr3t".to_owned(),
                4,
                "invalid basic string",
            ),
        ] {
            check_error(&more, line, expected);
        }
        let twice = format!("[[notify]]\nname = \"a\"\nkind = \"slack\"\n{good}\n").repeat(2);
        assert!(
            load(&twice)
                .unwrap_err()
                .contains("two notify targets named `a`")
        );
    }

    #[test]
    fn an_address_in_a_file_for_everyone_is_warned_of() {
        let folder = TempDir::new().unwrap();
        let text = "[[notify]]\nname = \"ops\"\nkind = \"slack\"\nurl = \"https://a/s3cr3t\"\n";
        for (mode, expected) in [(0o644, true), (0o640, false)] {
            let path = file(&folder, "gateway.toml", text, mode);
            let (_, warnings) = Config::load(Path::new(&path)).unwrap();
            let warnings = warnings.unwrap();
            let said = warnings.to_string();
            assert_eq!(
                said.contains("may post to this webhook"),
                expected,
                "{said}"
            );
            assert!(
                warnings.count(Level::Warning) > 0 && !said.contains("s3cr3t"),
                "{said}"
            );
        }
    }
}
