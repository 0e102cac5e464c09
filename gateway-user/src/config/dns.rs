//! `[dns]`: where names are looked up and what limits there are, and what it means for policy.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use gateway_core::ids::ResourceName;
use gateway_core::policy::engine::{Grant, Ordinary};
use gateway_core::policy::model::Mode;
use gateway_core::protocols::ClientTls;
use gateway_core::protocols::dns::limits::Limits;
use gateway_core::protocols::dns::record::{type_names, type_number};
use gateway_core::protocols::dns::{PROTOCOL, attributes};
use toml::Spanned;

use super::address::Prefix;
use super::check::{Findings, value};
use super::nearest::nearest;
use super::{Resource, file};
use crate::tls::upstream::{self, Upstream};

/// The port that names are looked up at.
pub const PORT: u16 = 53;
/// Name of the resource that stands for all servers of names where none is configured.
const NAME: &str = "dns";
const DEFAULT_HOSTS_FILE: &str = "/etc/hosts";
/// Types that carry an address, a name or little else.
const TYPES: [&str; 11] = [
    "a", "aaaa", "cname", "mx", "srv", "ptr", "soa", "ns", "caa", "svcb", "https",
];

/// How names are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// The servers; empty for those of `/etc/resolv.conf`.
    pub upstream: Vec<SocketAddr>,
    /// The names that the host knows without asking.
    pub hosts_file: PathBuf,
    /// Types that an allow rule stands for that names none.
    pub types: Vec<String>,
    /// Limits of each workload.
    pub limits: Limits,
}

impl Findings<'_> {
    pub(super) fn dns(&mut self, table: file::Dns) -> Dns {
        let default = Limits::default();
        let limits = Limits {
            per_second: self.positive(table.queries_per_second.as_ref(), default.per_second),
            burst: self.positive(table.burst.as_ref(), default.burst),
            names_per_minute: self
                .positive(table.names_per_minute.as_ref(), default.names_per_minute),
            name_bytes: self.positive(table.name_bytes.as_ref(), default.name_bytes),
            answer_bytes: self.positive(table.answer_bytes.as_ref(), default.answer_bytes),
        };
        Dns {
            upstream: self.servers(table.upstream),
            hosts_file: self.path(table.hosts_file, PathBuf::from(DEFAULT_HOSTS_FILE)),
            types: self.types(table.types),
            limits,
        }
    }

    fn positive<T: Copy + Default + PartialEq>(
        &mut self,
        number: Option<&Spanned<T>>,
        default: T,
    ) -> T {
        if let Some(zero) = number.filter(|number| *number.get_ref() == T::default()) {
            let help = "leave it out for the default, or raise it for a limit that is not met";
            let message = "a limit of 0 lets nothing be looked up".to_owned();
            self.error(zero.span(), message, Some(help.to_owned()));
        }
        value(number).unwrap_or(default)
    }

    fn servers(&mut self, servers: Option<Spanned<Vec<Spanned<String>>>>) -> Vec<SocketAddr> {
        let Some(servers) = servers else {
            return Vec::new();
        };
        if servers.get_ref().is_empty() {
            let help = "leave it out for the servers of /etc/resolv.conf".to_owned();
            let message = "without a server no name is found".to_owned();
            self.error(servers.span(), message, Some(help));
        }
        let mut found = Vec::new();
        for text in servers.into_inner() {
            let plain = text.get_ref().parse::<IpAddr>();
            let plain = plain.map(|address| SocketAddr::new(address, PORT));
            match plain.or_else(|_| text.get_ref().parse()) {
                Ok(server) => found.push(server),
                Err(_) => {
                    let message = format!("{:?} is not the address of a server", text.get_ref());
                    let help = "expected such as \"10.0.0.2\", \"10.0.0.2:53\" or \"[::1]:53\"";
                    self.error(text.span(), message, Some(help.to_owned()));
                }
            }
        }
        found
    }

    fn types(&mut self, types: Option<Spanned<Vec<Spanned<String>>>>) -> Vec<String> {
        let Some(types) = types else {
            return TYPES.map(str::to_owned).into();
        };
        for name in types.get_ref() {
            if type_number(name.get_ref()).is_some() {
                continue;
            }
            let help = match nearest(name.get_ref(), type_names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "expected such as \"a\", \"aaaa\" or \"type65280\"".to_owned(),
            };
            let message = format!("{:?} is no type of record", name.get_ref());
            self.error(name.span(), message, Some(help));
        }
        types
            .into_inner()
            .into_iter()
            .map(Spanned::into_inner)
            .collect()
    }

    /// The resource that stands for every server of names, where the file has none of this
    /// protocol. It comes last: what the file says of an address counts first.
    pub(super) fn any_server_of_names(&mut self, resources: &[Resource]) -> Option<Resource> {
        if resources.iter().any(|it| it.protocol.name == PROTOCOL.name) {
            return None;
        }
        if resources.iter().any(|it| it.name.as_str() == NAME) {
            let message = format!("the name `{NAME}` stands for the servers that look up names");
            let help = "give this resource another name".to_owned();
            let at = self.source.find("\"dns\"").unwrap_or(0);
            self.error(at..at + NAME.len() + 2, message, Some(help));
            return None;
        }
        Some(Resource {
            name: ResourceName::new(NAME),
            protocol: &PROTOCOL,
            addresses: Prefix::everywhere(PORT).into(),
            hosts: Vec::new(),
            mode: Mode::Enforce,
            client_tls: ClientTls::Refuse,
            login: None,
            upstream: Arc::new(no_tls()?),
            preview: None,
        })
    }
}

/// DNS is spoken in plain text.
pub(super) fn no_tls() -> Option<Upstream> {
    Upstream::new(upstream::Mode::Disable, None, None).ok()
}

/// Whoever may use a resource may look up its hosts, at any server.
pub(super) fn grants(resources: &[Resource], servers: &[&Resource]) -> Vec<Grant> {
    let with_hosts = resources
        .iter()
        .filter(|resource| !resource.hosts.is_empty());
    let grants = with_hosts.flat_map(|resource| {
        servers.iter().map(|server| Grant {
            of: resource.name.clone(),
            on: server.name.clone(),
            fact: name_of(attributes::NAME),
            values: resource
                .hosts
                .iter()
                .map(|host| host.name.clone())
                .collect(),
        })
    });
    grants.collect()
}

/// Types that are out of the ordinary must be named by a rule.
pub(super) fn ordinary(servers: &[&Resource], types: &[String]) -> Vec<Ordinary> {
    let ordinary = servers.iter().map(|server| Ordinary {
        on: server.name.clone(),
        fact: name_of(attributes::TYPE),
        values: types.to_vec(),
    });
    ordinary.collect()
}

fn name_of(slot: usize) -> &'static str {
    attributes::ATTRIBUTES
        .get(slot)
        .map_or("", |attribute| attribute.name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, check};

    fn load(source: &str) -> Result<Config, String> {
        let checked = check::check(Path::new("gateway.toml"), source.to_owned());
        checked
            .map(|(config, _)| config)
            .map_err(|error| error.to_string())
    }

    #[track_caller]
    fn check_error(source: &str, expected: &str) {
        let error = load(source).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    const DB: &str = "[[resource]]\nname = \"db\"\nprotocol = \"postgres\"\n";

    #[test]
    fn any_server_answers_where_none_is_named() {
        let config = load("").unwrap();
        assert_eq!(config.dns.limits, Limits::default());
        let at = |config: &Config, text: &str| {
            let found = config.server_of_names(text.parse().unwrap());
            found.map(|resource| resource.name.to_string())
        };
        assert_eq!(at(&config, "127.0.0.53:53").as_deref(), Some("dns"));
        assert_eq!(at(&config, "[fd00::1]:53").as_deref(), Some("dns"));
        assert_eq!(at(&config, "10.0.0.2:853"), None);
        let named =
            "[[resource]]\nname = \"names\"\nprotocol = \"dns\"\naddresses = [\"10.0.0.2:53\"]";
        let config = load(named).unwrap();
        assert_eq!(at(&config, "10.0.0.2:53").as_deref(), Some("names"));
        assert_eq!(at(&config, "10.0.0.3:53"), None);
    }

    #[test]
    fn says_what_is_wrong() {
        check_error(
            "[dns]\nupstream = [\"ns.internal\"]",
            "expected such as \"10.0.0.2\"",
        );
        check_error(
            "[dns]\nupstream = []",
            "for the servers of /etc/resolv.conf",
        );
        check_error("[dns]\ntypes = [\"aaa\"]", "did you mean `a");
        check_error("[dns]\nburst = 0", "a limit of 0 lets nothing be looked up");
        check_error("[dns]\nupstreams = []", "did you mean `upstream`?");
        check_error(
            "[[resource]]\nname = \"n\"\nprotocol = \"dns\"\naddresses = [\"10.0.0.2:54\"]",
            "10.0.0.2:54 is not at port 53",
        );
        check_error(
            "[[resource]]\nname = \"n\"\nprotocol = \"dns\"\nupstream = {}",
            "where names are asked for is said in [dns]",
        );
        check_error(
            &format!("{DB}hosts = [\"db.internal:1\"]\n").replace("\"db\"", "\"dns\""),
            "the name `dns` stands for the servers that look up names",
        );
    }

    #[test]
    fn hosts_are_names_with_ports() {
        let wrong = |hosts: &str, expected: &str| {
            check_error(&format!("{DB}hosts = [{hosts}]"), expected);
        };
        wrong("\"db.internal\"", "expected such as \"db.internal:5432\"");
        wrong("\"db.internal:0\"", "expected a port from 1 to 65535");
        wrong("\"10.0.0.5:5432\"", "an address belongs into `addresses`");
        wrong("\"[::1]:5432\"", "an address belongs into `addresses`");
        wrong("\"*.internal:5432\"", "each must be written out");
        wrong("\"d b:5432\"", "is not a host with a port");
        check_error(
            &format!(
                "{DB}hosts = [\"DB.internal:5432\"]\n{}hosts = [\"db.internal.:5432\"]",
                DB.replace("\"db\"", "\"other\"")
            ),
            "belongs to resource `db`",
        );
        let config = load(&format!("{DB}hosts = [\"DB.internal.:5432\"]")).unwrap();
        assert_eq!(config.resources[0].hosts[0].name, "db.internal");
    }
}
