//! `hosts` of a resource: names with ports, whose addresses are looked up while the daemon runs.

use std::net::IpAddr;

use gateway_core::ids::ResourceName;
use gateway_core::protocols::dns::name::Name;
use toml::Spanned;

use super::check::Findings;
use super::report::place;

/// A host by its name, with the port of its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// In lower case, without the last dot.
    pub name: String,
    /// The port.
    pub port: u16,
}

/// The hosts that were seen, with whose they are and the line.
pub(super) type Claimed = Vec<(Host, ResourceName, usize)>;

impl Findings<'_> {
    pub(super) fn hosts(
        &mut self,
        resource: &ResourceName,
        texts: Option<Spanned<Vec<Spanned<String>>>>,
        claimed: &mut Claimed,
    ) -> Option<Vec<Host>> {
        let mut hosts = Vec::new();
        let mut good = true;
        for text in texts.map(Spanned::into_inner).unwrap_or_default() {
            match parse(text.get_ref()) {
                Ok(host) => {
                    good &= self.unclaimed(&host, resource, &text, claimed);
                    hosts.push(host);
                }
                Err(help) => {
                    good = false;
                    let message = format!("{:?} is not a host with a port", text.get_ref());
                    self.error(text.span(), message, Some(help.to_owned()));
                }
            }
        }
        good.then_some(hosts)
    }

    fn unclaimed(
        &mut self,
        host: &Host,
        resource: &ResourceName,
        text: &Spanned<String>,
        claimed: &mut Claimed,
    ) -> bool {
        let other = claimed
            .iter()
            .find(|(other, of, _)| other == host && of != resource);
        let free = match other {
            None => true,
            Some((_, of, line)) => {
                let message = format!("{:?} belongs to resource `{of}`", text.get_ref());
                let help = format!(
                    "that is on line {line}; a connection must belong to one resource, so name it \
                     in one of them"
                );
                self.error(text.span(), message, Some(help));
                false
            }
        };
        let (line, _) = place(self.source, text.span().start);
        claimed.push((host.clone(), resource.clone(), line));
        free
    }
}

fn parse(text: &str) -> Result<Host, &'static str> {
    const EXPECTED: &str = "expected such as \"db.internal:5432\"";
    let (name, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
    let port = port.parse().ok().filter(|port| *port != 0);
    let port = port.ok_or("expected a port from 1 to 65535, such as \"db.internal:5432\"")?;
    if name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Err("an address belongs into `addresses`");
    }
    if name.contains('*') {
        return Err("the gateway looks these names up itself, so each must be written out");
    }
    let name = Name::host(name).ok_or(EXPECTED)?.text();
    Ok(Host { name, port })
}
