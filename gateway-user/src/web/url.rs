//! `Url`: where a web service is. Its path may be a secret, as a webhook's is, so nothing here shows it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use gateway_core::secret::Secret;
use hyper::Uri;
use rustls::pki_types::ServerName;

/// Addresses are not longer than this, in bytes.
const URL_MAX: usize = 4096;

/// The address of a web service.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether it is `https`.
    pub is_tls: bool,
    /// The name or address of its host, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path with the query: the secret part.
    pub path: Secret,
}

/// Why an address cannot be used. None of it says what is in the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It does not read as one.
    #[error("this is not an address of the web: expected such as \"https://hooks.example.com/…\"")]
    Malformed,
    /// Another scheme.
    #[error("the address begins with https://")]
    Scheme,
    /// Plain text over a network.
    #[error(
        "http:// is for this host only (127.0.0.1, [::1] or localhost): what is told would be in plain text"
    )]
    PlainText,
    /// A user or password in it.
    #[error("an address with a user name or password in it is not supported")]
    UserInfo,
    /// A fragment in it.
    #[error("an address with `#` in it means nothing to a server")]
    Fragment,
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > URL_MAX {
            return Err(UrlError::Malformed);
        }
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| UrlError::Malformed)?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err(UrlError::Scheme),
            None => return Err(UrlError::Malformed),
        };
        let authority = uri.authority().ok_or(UrlError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInfo);
        }
        let host = authority.host();
        let behind = authority.as_str().strip_prefix(host);
        let port = match behind.ok_or(UrlError::Malformed)?.strip_prefix(':') {
            None if is_tls => 443,
            None => 80,
            Some(port) => port.parse().map_err(|_| UrlError::Malformed)?,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if port == 0 || ServerName::try_from(host).is_err() {
            return Err(UrlError::Malformed);
        }
        if !is_tls && !is_this_host(host) {
            return Err(UrlError::PlainText);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            is_tls,
            host: host.to_owned(),
            port,
            path: Secret::new(path.as_bytes()),
        })
    }
}

impl Url {
    /// Host and port as they stand in a request.
    pub fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match (self.is_tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Url").field(&self.authority()).finish()
    }
}

fn is_this_host(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let url: Url = "https://hooks.example.com/services/T0/B0?x=1"
            .parse()
            .unwrap();
        assert_eq!((url.host.as_str(), url.port), ("hooks.example.com", 443));
        assert_eq!(url.path.reveal(), b"/services/T0/B0?x=1");
        assert_eq!(url.authority(), "hooks.example.com");
        let url: Url = "http://[::1]:8080".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port), ("::1", 8080));
        assert_eq!(url.authority(), "[::1]:8080");
        assert_eq!(url.path.reveal(), b"/");
        for good in [
            "http://127.0.0.1/",
            "http://127.9.9.9:1/",
            "http://LOCALHOST/x",
            "HTTPS://a/",
        ] {
            assert!(good.parse::<Url>().is_ok(), "{good}");
        }
    }

    #[test]
    fn others_are_refused() {
        for (text, expected) in [
            ("", UrlError::Malformed),
            ("hooks.example.com/x", UrlError::Malformed),
            ("/x", UrlError::Malformed),
            ("https://", UrlError::Malformed),
            ("https:///x", UrlError::Malformed),
            ("https://a b/", UrlError::Malformed),
            ("https://a:0/", UrlError::Malformed),
            ("https://a:99999/", UrlError::Malformed),
            ("https://a_b!/", UrlError::Malformed),
            ("ftp://a/", UrlError::Scheme),
            ("http://hooks.example.com/x", UrlError::PlainText),
            ("http://127.0.0.1.example.com/", UrlError::PlainText),
            ("http://localhost.example.com/", UrlError::PlainText),
            ("http://10.0.0.1/", UrlError::PlainText),
            ("http://[::ffff:127.0.0.1]/", UrlError::PlainText),
            ("https://me:secret@a/", UrlError::UserInfo),
            ("http://127.0.0.1@evil.example.com/", UrlError::UserInfo),
            ("https://a/x#y", UrlError::Fragment),
        ] {
            assert_eq!(text.parse::<Url>(), Err(expected), "{text}");
        }
        assert!(
            format!("https://a/{}", "x".repeat(URL_MAX))
                .parse::<Url>()
                .is_err()
        );
    }

    #[test]
    fn paths_are_not_shown() {
        let url: Url = "https://hooks.example.com/services/s3cr3t".parse().unwrap();
        assert_eq!(format!("{url:?}"), "Url(\"hooks.example.com\")");
    }
}
