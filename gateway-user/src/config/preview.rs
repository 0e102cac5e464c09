//! `[resource.preview]`: how the server is asked how much an action would touch that waits for approval.
//!
//! Part of `check`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::descriptor::Protocol;
use gateway_core::duration;
use gateway_core::protocols::postgres;
use gateway_core::secret::Secret;
use toml::Spanned;

use super::check::Findings;
use super::file;
use crate::tls::upstream::Upstream;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
/// Who decides waits no longer, and neither does the server.
const LONGEST: Duration = Duration::from_secs(60);

/// By whom and how far the server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The database user.
    pub user: String,
    /// Its password; none where the server asks for none.
    pub password: Option<Secret>,
    /// Whether rows are counted, beside the planner's estimate.
    pub count: bool,
    /// How long each of the two questions may take.
    pub timeout: Duration,
}

/// Previews of one resource, with the file that they need.
#[derive(Clone, Debug)]
pub struct Preview {
    /// How the server is asked.
    pub settings: Arc<Settings>,
    /// The file of the password, which is read again at each reload.
    pub file: Option<PathBuf>,
}

impl Findings<'_> {
    pub(super) fn preview(
        &mut self,
        protocol: Option<&Protocol>,
        table: Option<Spanned<file::Preview>>,
        upstream: Option<&Upstream>,
    ) -> Option<Option<Preview>> {
        let Some(table) = table else {
            return Some(None);
        };
        let span = table.span();
        let table = table.into_inner();
        if protocol.is_some_and(|it| it.name != postgres::PROTOCOL.name) {
            let message = "only resources of protocol \"postgres\" have previews".to_owned();
            self.error(span, message, None);
            return None;
        }
        if table.user.get_ref().is_empty() {
            let message = "this names nobody".to_owned();
            let help = "give the name of a database user that may only read";
            self.error(table.user.span(), message, Some(help.to_owned()));
            return None;
        }
        let password = match &table.password_file {
            Some(file) => Some(Secret::new(self.secret(file)?)),
            None => None,
        };
        if let (Some(file), Some(upstream)) = (&table.password_file, upstream)
            && !self.known(upstream, table.accept_unverified, file.span())
        {
            return None;
        }
        let settings = Settings {
            timeout: self.preview_timeout(table.timeout.as_ref())?,
            user: table.user.into_inner(),
            password,
            count: table.count,
        };
        Some(Some(Preview {
            settings: Arc::new(settings),
            file: table.password_file.map(Spanned::into_inner),
        }))
    }

    fn preview_timeout(&mut self, text: Option<&Spanned<String>>) -> Option<Duration> {
        let Some(text) = text else {
            return Some(DEFAULT_TIMEOUT);
        };
        let read = duration::parse(text.get_ref());
        let good = read.filter(|it| (Duration::from_secs(1)..=LONGEST).contains(it));
        if good.is_none() {
            let message = match read {
                None => format!("{:?} is no span of time", text.get_ref()),
                Some(_) => format!(
                    "a preview may take from 1s to {}",
                    duration::written(LONGEST)
                ),
            };
            self.error(text.span(), message, Some(duration::EXPECTED.to_owned()));
        }
        good
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;
    use crate::config::{Config, check};

    fn load(preview: &str) -> Result<Config, String> {
        let source = format!(
            "[[resource]]\nname = \"db\"\nprotocol = \"postgres\"\naddresses = [\"10.0.0.5:5432\"]\n\
             preview = {{ {preview} }}\n"
        );
        let checked = check::check(Path::new("gateway.toml"), source);
        checked
            .map(|(config, _)| config)
            .map_err(|error| error.to_string())
    }

    #[track_caller]
    fn check_error(preview: &str, expected: &str) {
        let error = load(preview).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(" --> gateway.toml:5:"), "{error}");
    }

    #[test]
    fn previews_are_read() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, "hunter2\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let config = load(&format!(
            "user = \"p\", password_file = {path:?}, count = true, timeout = \"5s\", accept_unverified = true"
        ));
        let preview = config.unwrap().resources[0].preview.clone().unwrap();
        let Settings {
            user,
            password,
            count,
            timeout,
        } = &*preview.settings;
        assert_eq!((user.as_str(), *count, timeout.as_secs()), ("p", true, 5));
        assert_eq!(password.as_ref().unwrap().reveal(), b"hunter2");
        assert_eq!(preview.file.unwrap(), path);
        let preview = load("user = \"p\"").unwrap().resources[0].preview.clone();
        let settings = preview.unwrap().settings;
        assert_eq!((settings.count, settings.timeout.as_secs()), (false, 2));

        let unasked = format!("user = \"p\", password_file = {path:?}");
        check_error(&unasked, "it is not verified who the server is");
        check_error(&unasked, "or accept it with accept_unverified = true");

        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let open = format!("user = \"p\", password_file = {path:?}");
        check_error(&open, "everyone on this host may read");
    }

    #[test]
    fn what_is_wrong_is_told() {
        check_error("count = true", "missing setting `user`");
        check_error("user = \"\"", "this names nobody");
        check_error("user = \"p\", timeout = \"2\"", "is no span of time");
        check_error("user = \"p\", timeout = \"0s\"", "from 1s to 1m");
        check_error("user = \"p\", timeout = \"2m\"", "from 1s to 1m");
        check_error("user = \"p\", password_file = \"x\"", "not absolute");
        check_error(
            "user = \"p\", password = \"x\"",
            "did you mean `password_file`?",
        );
        let other = "[[resource]]\nname = \"c\"\nprotocol = \"tcp\"\naddresses = [\"10.0.0.5:1\"]\n\
                     preview = { user = \"p\" }\n";
        let error = check::check(Path::new("gateway.toml"), other.to_owned()).unwrap_err();
        assert!(
            error.to_string().contains("only resources of protocol"),
            "{error}"
        );
    }
}
