//! `[[detector]]`: programs outside the gateway that say what of a text is to be masked.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use gateway_core::duration;
use gateway_core::ids::DetectorName;
use gateway_core::mask::detect::What;
use nix::unistd::User;

use super::check::Findings;
use super::file;

/// A detector has so long to answer if nothing else is said.
const DEADLINE: Duration = Duration::from_millis(500);
/// And never longer: rows wait for it.
const LONGEST: Duration = Duration::from_secs(30);

/// A detector outside the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detector {
    /// Its name.
    pub name: DetectorName,
    /// The Unix socket that it listens at.
    pub socket: PathBuf,
    /// As whom it may run, besides root and the daemon's own user.
    pub uid: Option<u32>,
    /// How long it has for an answer.
    pub deadline: Duration,
}

impl Findings<'_> {
    pub(super) fn detectors(&mut self, tables: Vec<file::Detector>) -> Option<Vec<Detector>> {
        let mut taken = HashMap::new();
        let mut good = true;
        let mut detectors = Vec::with_capacity(tables.len());
        for table in tables {
            let name = table.name.get_ref();
            good &= self.name("detector", &table.name, &mut taken);
            if What::named(name).is_some() {
                let message = format!("the gateway has a detector `{name}` of its own");
                self.error(table.name.span(), message, None);
                good = false;
            }
            if !table.socket.get_ref().is_absolute() {
                let message = format!("{} is no absolute path", table.socket.get_ref().display());
                self.error(table.socket.span(), message, None);
                good = false;
            }
            let deadline = self.deadline(table.deadline.as_ref());
            let uid = self.uid(table.user.as_ref());
            good &= deadline.is_some() && uid.is_some();
            detectors.push(Detector {
                name: DetectorName::new(name.as_str()),
                socket: table.socket.into_inner(),
                uid: uid.flatten(),
                deadline: deadline.unwrap_or(DEADLINE),
            });
        }
        good.then_some(detectors)
    }

    fn deadline(&mut self, text: Option<&toml::Spanned<String>>) -> Option<Duration> {
        let Some(text) = text else {
            return Some(DEADLINE);
        };
        let read = match text.get_ref().strip_suffix("ms") {
            Some(number) => number.parse().ok().map(Duration::from_millis),
            None => duration::parse(text.get_ref()),
        };
        let fits = read.filter(|it| !it.is_zero() && *it <= LONGEST);
        if fits.is_none() {
            let message = format!("`{}` is no time to wait for a detector", text.get_ref());
            let help = "such as \"200ms\" or \"2s\", and 30s at most";
            self.error(text.span(), message, Some(help.to_owned()));
        }
        fits
    }

    /// The inner nothing is nobody in particular.
    #[expect(
        clippy::option_option,
        reason = "nobody is not the same as somebody unknown"
    )]
    fn uid(&mut self, name: Option<&toml::Spanned<String>>) -> Option<Option<u32>> {
        let Some(name) = name else {
            return Some(None);
        };
        match User::from_name(name.get_ref()) {
            Ok(Some(user)) => Some(Some(user.uid.as_raw())),
            _ => {
                let message = format!("this host has no user `{}`", name.get_ref());
                self.error(name.span(), message, None);
                None
            }
        }
    }
}
