//! What `[[mask]]` needs of resources: a login by which the gateway reads the server's catalog.
//!
//! Part of `check`; what a mask means is checked by `gateway_core::policy`.

use std::path::PathBuf;

use gateway_core::glob::Glob;
use gateway_core::mask::MaskKey;
use gateway_core::policy::model::{MaskSpec, Mode};
use gateway_core::protocols::postgres;
use toml::Spanned;

use super::Resource;
use super::check::Findings;

/// A key has at least so many bytes.
const SHORTEST_KEY: usize = 32;

impl Findings<'_> {
    /// The key that hashes and pseudonyms are made with.
    pub(super) fn mask_key(&mut self, file: &Spanned<PathBuf>) -> Option<MaskKey> {
        let bytes = self.secret(file)?;
        if bytes.len() < SHORTEST_KEY {
            let message = format!("the key has {} bytes and needs {SHORTEST_KEY}", bytes.len());
            let help = format!("openssl rand -hex 32 > {}", file.get_ref().display());
            self.error(file.span(), message, Some(help));
            return None;
        }
        Some(MaskKey::new(bytes))
    }

    pub(super) fn masks(&mut self, masks: &[Spanned<MaskSpec>], resources: &[Resource]) {
        for resource in resources {
            if resource.protocol.name != postgres::PROTOCOL.name {
                continue;
            }
            let name = resource.name.as_str();
            let all = masks.iter().map(Spanned::get_ref);
            let mut meant = all.filter(|mask| match &mask.resource {
                Some(globs) => {
                    let mut globs = globs.get_ref().0.iter();
                    globs.any(|glob| Glob::new(glob.get_ref()).matches(name))
                }
                None => true,
            });
            // What detectors look for is in values, wherever they come from.
            let Some(mask) = meant.find(|mask| mask.column.is_some() || mask.ty.is_some()) else {
                continue;
            };
            if resource.login.is_none() {
                let message = format!("`{name}` is masked and has no `credential`");
                let help = "the gateway logs in with it to read which columns there are";
                self.error(mask.name.span(), message, Some(help.to_owned()));
            }
            if resource.mode == Mode::Observe {
                let message = format!("`{name}` only observes: results are masked all the same");
                let help = "but nothing that gets round masks is refused there";
                self.warning(mask.name.span(), &message, help);
            }
        }
    }
}
