//! Checks of `[[resource]]`: protocol, addresses and TLS towards the server.
//!
//! Part of `check`, which collects what is found; the addresses themselves are read in `address`,
//! names of hosts in `hosts`.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use gateway_core::descriptor::{Protocol, Shape};
use gateway_core::ids::ResourceName;
use gateway_core::protocols::registry::PROTOCOLS;
use toml::Spanned;

use super::address::{AddressError, Prefix};
use super::check::{Findings, value};
use super::credentials::Credential;
use super::dns::PORT;
use super::hosts::Host;
use super::nearest::nearest;
use super::report::place;
use super::{Resource, file};
use crate::tls::upstream::{Mode, Upstream, UpstreamError};

/// A list of texts, with their places.
type Texts = Spanned<Vec<Spanned<String>>>;
/// The addresses that were seen, with whose they are and the line.
type Covered = Vec<(Prefix, ResourceName, usize)>;

impl Findings<'_> {
    /// Of credentials that are wrong themselves nothing is known.
    pub(super) fn resources(
        &mut self,
        tables: Vec<file::Resource>,
        credentials: Option<&[Credential]>,
    ) -> Option<Vec<Resource>> {
        let mut names = HashMap::new();
        // A stream and datagrams to the same address have nothing to do with each other.
        let (mut streams, mut datagrams) = (Vec::new(), Vec::new());
        let mut claimed = Vec::new();
        let count = tables.len();
        let mut resources = Vec::with_capacity(count);
        for table in tables {
            let name = ResourceName::new(table.name.get_ref().as_str());
            let named = self.name("resource", &table.name, &mut names);
            let protocol = self.protocol(&table.protocol);
            let shape = protocol.map(|protocol| protocol.shape);
            let covered = match shape {
                Some(Shape::Datagrams) => &mut datagrams,
                _ => &mut streams,
            };
            if shape != Some(Shape::Terminated)
                && table.addresses.is_none()
                && table.hosts.is_none()
            {
                self.covers_nothing(table.name.span());
                continue;
            }
            let addresses = match (shape, table.addresses) {
                (Some(Shape::Terminated), None) => Some(Prefix::everywhere(PORT).into()),
                (_, addresses) => self.addresses(&name, protocol, addresses, covered),
            };
            let hosts = match shape {
                Some(Shape::Terminated | Shape::Datagrams) => self.no_hosts(table.hosts.as_ref()),
                _ => self.hosts(&name, table.hosts, &mut claimed),
            };
            let client_tls = value(table.client_tls.as_ref()).unwrap_or_default();
            let upstream = match protocol {
                Some(protocol) if protocol.shape != Shape::Framed => {
                    let tls = [
                        ("client_tls", table.client_tls.map(|it| it.span())),
                        ("upstream", table.upstream.map(|it| it.span())),
                    ];
                    self.passes(protocol, tls)
                }
                _ => self.upstream(&table.upstream.map(Spanned::into_inner).unwrap_or_default()),
            };
            let credential = match (credentials, shape) {
                (Some(known), Some(Shape::Framed)) => {
                    self.credential(table.credential.as_ref(), known)
                }
                (Some(_), Some(_)) => self.no_credential(protocol, table.credential.as_ref()),
                _ => None,
            };
            let preview = self.preview(protocol, table.preview, upstream.as_ref());
            let upstream = match (upstream, credential) {
                (Some(upstream), Some(Some(credential))) => {
                    self.shown(upstream, credential, table.credential.as_ref())
                }
                (upstream, _) => upstream,
            };
            if let (
                true,
                Some(protocol),
                Some(addresses),
                Some(hosts),
                Some(upstream),
                Some(credential),
                Some(preview),
            ) = (
                named, protocol, addresses, hosts, upstream, credential, preview,
            ) {
                resources.push(Resource {
                    name,
                    protocol,
                    addresses,
                    hosts,
                    mode: table.mode,
                    client_tls: client_tls.into(),
                    upstream: Arc::new(upstream),
                    login: credential.map(|it| Arc::clone(&it.login)),
                    preview,
                });
            }
        }
        (resources.len() == count).then_some(resources)
    }

    fn covers_nothing(&mut self, span: Range<usize>) {
        let message = "a resource without addresses and hosts covers nothing".to_owned();
        let help = "give at least one, such as addresses = [\"10.0.0.5:5432\"] or hosts = \
                    [\"db.internal:5432\"]";
        self.error(span, message, Some(help.to_owned()));
    }

    /// Servers of names are known by their addresses, and so are destinations of datagrams, which the
    /// kernel has to know.
    fn no_hosts(&mut self, hosts: Option<&Texts>) -> Option<Vec<Host>> {
        let Some(hosts) = hosts else {
            return Some(Vec::new());
        };
        let message = "resources of this protocol are known by their `addresses` only".to_owned();
        self.error(hosts.span(), message, None);
        None
    }

    /// What passes uninspected has no TLS of the gateway's: it is the agent's own, if it has any.
    fn passes(
        &mut self,
        protocol: &Protocol,
        tls: [(&str, Option<Range<usize>>); 2],
    ) -> Option<Upstream> {
        let mut good = true;
        for (setting, span) in tls {
            let Some(span) = span else { continue };
            good = false;
            let message = format!("`{setting}` means nothing to protocol {:?}", protocol.name);
            let help = match protocol.shape {
                Shape::Terminated => "leave it out: where names are asked for is said in [dns]",
                _ => {
                    "leave it out: what the agent and the server say passes as it is, TLS included"
                }
            };
            self.error(span, message, Some(help.to_owned()));
        }
        good.then(Upstream::disabled)
    }

    fn no_credential<'a>(
        &mut self,
        protocol: Option<&Protocol>,
        name: Option<&Spanned<String>>,
    ) -> Option<Option<&'a Credential>> {
        let Some(name) = name else {
            return Some(None);
        };
        let protocol = protocol.map_or("", |protocol| protocol.name);
        let message = format!("`credential` means nothing to protocol {protocol:?}");
        let help = "leave it out: the gateway says nothing there itself".to_owned();
        self.error(name.span(), message, Some(help));
        None
    }

    /// TLS with the credential's certificate, if it has one.
    fn shown(
        &mut self,
        upstream: Upstream,
        credential: &Credential,
        name: Option<&Spanned<String>>,
    ) -> Option<Upstream> {
        let place = name.map_or(0..0, Spanned::span);
        if !self.known(&upstream, credential.accept_unverified, place) {
            return None;
        }
        Some(upstream.with_credential(credential.identity.as_deref()))
    }

    /// Whether something of the gateway's own may be shown to the server. Fails closed: whoever answers
    /// in the place of one that is not verified, such as the agent itself, is not shown it unasked.
    pub(super) fn known(
        &mut self,
        upstream: &Upstream,
        accept_unverified: bool,
        place: Range<usize>,
    ) -> bool {
        if upstream.verifies() {
            return true;
        }
        let message = "it is not verified who the server is that the credential is shown to";
        let verify = "set upstream = { tls = \"verify-full\" }";
        match accept_unverified {
            true => self.warning(place, message, verify),
            false => {
                let help = format!("{verify}, or accept it with accept_unverified = true");
                self.error(place, message.to_owned(), Some(help));
            }
        }
        accept_unverified
    }

    fn protocol(&mut self, name: &Spanned<String>) -> Option<&'static Protocol> {
        let found = PROTOCOLS
            .iter()
            .find(|protocol| protocol.name == name.get_ref());
        if found.is_none() {
            let known: Vec<_> = PROTOCOLS.iter().map(|protocol| protocol.name).collect();
            let help = match nearest(name.get_ref(), known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known are: {}", known.join(", ")),
            };
            let message = format!("unknown protocol {:?}", name.get_ref());
            self.error(name.span(), message, Some(help));
        }
        found.copied()
    }

    fn addresses(
        &mut self,
        resource: &ResourceName,
        protocol: Option<&Protocol>,
        texts: Option<Texts>,
        covered: &mut Covered,
    ) -> Option<Vec<Prefix>> {
        let Some(texts) = texts else {
            return Some(Vec::new());
        };
        if texts.get_ref().is_empty() {
            self.covers_nothing(texts.span());
            return None;
        }
        let mut prefixes = Vec::new();
        let mut good = true;
        for text in texts.into_inner() {
            match text.get_ref().parse::<Prefix>() {
                Ok(prefix) => {
                    good &= self.passable(&prefix, protocol, text.span());
                    good &= self.free(&prefix, resource, text.span(), covered);
                    let (line, _) = place(self.source, text.span().start);
                    covered.push((prefix, resource.clone(), line));
                    prefixes.push(prefix);
                }
                Err(error) => {
                    good = false;
                    let message = format!("{:?} is not an address: {error}", text.get_ref());
                    self.error(text.span(), message, Some(address_help(&text, error)));
                }
            }
        }
        good.then_some(prefixes)
    }

    /// Questions are the resolver's, whoever is asked; and it is asked at their port only.
    fn passable(
        &mut self,
        prefix: &Prefix,
        protocol: Option<&Protocol>,
        span: Range<usize>,
    ) -> bool {
        let (message, help) = match protocol.map(|protocol| protocol.shape) {
            Some(Shape::Datagrams) if prefix.port() == PORT => (
                format!("datagrams to port {PORT} never pass uninspected"),
                "they are questions, which go to the gateway itself; leave this address out",
            ),
            Some(Shape::Terminated) if prefix.port() != PORT => (
                format!("{prefix} is not at port {PORT}, where names are looked up"),
                "other ports are connections and datagrams like any others",
            ),
            _ => return true,
        };
        self.error(span, message, Some(help.to_owned()));
        false
    }

    fn free(
        &mut self,
        prefix: &Prefix,
        resource: &ResourceName,
        span: Range<usize>,
        covered: &Covered,
    ) -> bool {
        let other = covered
            .iter()
            .find(|(other, of, _)| of != resource && other.overlaps(prefix));
        let Some((other, of, line)) = other else {
            return true;
        };
        let message = format!("{prefix} overlaps with {other} of resource `{of}`");
        let help = format!(
            "that one is on line {line}; a connection must belong to one resource, so narrow one of \
             them"
        );
        self.error(span, message, Some(help));
        false
    }

    fn upstream(&mut self, table: &file::Upstream) -> Option<Upstream> {
        let mode = value(table.tls.as_ref()).unwrap_or_default();
        let ca_file = table.ca_file.as_ref();
        if let Some(path) = ca_file.filter(|path| !path.get_ref().is_absolute()) {
            self.relative_path(path.span());
            return None;
        }
        let verifies = matches!(mode, Mode::VerifyCa | Mode::VerifyFull);
        if let Some(path) = ca_file.filter(|_| !verifies) {
            self.warning(
                path.span(),
                "this ca_file has no effect: the server's certificate is not verified",
                "set tls = \"verify-full\", or \"verify-ca\" where the name does not matter",
            );
        }
        let server_name = table.server_name.as_ref();
        let upstream = Upstream::new(
            mode,
            ca_file.map(|path| path.get_ref().as_path()),
            server_name.map(|name| name.get_ref().as_str()),
        );
        match upstream {
            Ok(upstream) => Some(upstream),
            Err(error) => {
                let place = match error {
                    UpstreamError::ServerName(_) => server_name.map(Spanned::span),
                    UpstreamError::NoHostRoots | UpstreamError::Tls(_) => {
                        table.tls.as_ref().map(Spanned::span)
                    }
                    _ => ca_file.map(Spanned::span),
                };
                self.error(place.unwrap_or(0..0), error.to_string(), None);
                None
            }
        }
    }
}

fn address_help(text: &Spanned<String>, error: AddressError) -> String {
    let text = text.get_ref();
    match error {
        AddressError::NoPort => format!("expected an address with a port, such as \"{text}:5432\""),
        AddressError::NoBrackets => "expected such as \"[::1]:5432\"".to_owned(),
        AddressError::HostBits => {
            "clear the bits behind the prefix length, or leave it out for one address".to_owned()
        }
        AddressError::BadAddress => {
            "a host's name belongs into `hosts`, such as hosts = [\"db.internal:5432\"]; an address is \
             such as \"10.0.0.5:5432\", \"10.1.0.0/16:5432\" or \"[::1]:5432\""
                .to_owned()
        }
        AddressError::BadPort | AddressError::BadLength(_) => {
            "expected such as \"10.0.0.5:5432\", \"10.1.0.0/16:5432\" or \"[::1]:5432\"".to_owned()
        }
    }
}
